// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_facts.hpp"

namespace sluice::launch {
namespace {

constexpr std::uint32_t kListMax = 4096;  // a lying peer costs no more

// In the order in which they travel.
constexpr bool comm::MemoryFacts::*kDeviceFlags[] = {
    &comm::MemoryFacts::is_built_with_cuda, &comm::MemoryFacts::has_cuda_transports,
    &comm::MemoryFacts::is_type_seen,       &comm::MemoryFacts::has_cuda_ipc,
    &comm::MemoryFacts::is_one_host,        &comm::MemoryFacts::has_rdma,
    &comm::MemoryFacts::has_peermem,        &comm::MemoryFacts::has_dmabuf,
    &comm::MemoryFacts::has_gdr_copy};

void put_list(ByteWriter& writer, const std::vector<std::string>& list) {
  writer.put(static_cast<std::uint32_t>(list.size()));
  for (const std::string& text : list) writer.put_string(text);
}

Result<std::uint32_t> get_count(ByteReader& reader) {
  const auto count = SLUICE_TRY(reader.get<std::uint32_t>());
  if (count > kListMax) return make_error(ErrorCode::kCorrupt, "a list of facts is too long");
  return count;
}

Result<std::vector<std::string>> get_list(ByteReader& reader) {
  const std::uint32_t count = SLUICE_TRY(get_count(reader));
  std::vector<std::string> list;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string text = SLUICE_TRY(reader.get_string());
    list.push_back(std::move(text));
  }
  return list;
}

}  // namespace

void put_side(ByteWriter& writer, const SideFacts& side) {
  writer.put_string(side.name);
  writer.put_string(side.host);
  writer.put_string(side.place);
  writer.put(static_cast<std::uint8_t>(side.has_shared_memory));
  writer.put_string(side.transports_setting);
  put_list(writer, side.resources);
  writer.put(static_cast<std::uint32_t>(side.rdma_ports.size()));
  for (const ActivePort& port : side.rdma_ports) {
    writer.put_string(port.name);
    writer.put(port.gbit_per_s);
  }
  writer.put(static_cast<std::int32_t>(side.device.cuda_devices));
  for (const bool comm::MemoryFacts::*flag : kDeviceFlags) {
    writer.put(static_cast<std::uint8_t>(side.device.*flag));
  }
}

Result<SideFacts> get_side(ByteReader& reader) {
  SideFacts side;
  side.name = SLUICE_TRY(reader.get_string());
  side.host = SLUICE_TRY(reader.get_string());
  side.place = SLUICE_TRY(reader.get_string());
  side.has_shared_memory = SLUICE_TRY(reader.get<std::uint8_t>()) != 0;
  side.transports_setting = SLUICE_TRY(reader.get_string());
  side.resources = SLUICE_TRY(get_list(reader));
  const std::uint32_t ports = SLUICE_TRY(get_count(reader));
  for (std::uint32_t i = 0; i < ports; ++i) {
    ActivePort port;
    port.name = SLUICE_TRY(reader.get_string());
    port.gbit_per_s = SLUICE_TRY(reader.get<double>());
    side.rdma_ports.push_back(std::move(port));
  }
  side.device.cuda_devices = SLUICE_TRY(reader.get<std::int32_t>());
  for (bool comm::MemoryFacts::*flag : kDeviceFlags) {
    side.device.*flag = SLUICE_TRY(reader.get<std::uint8_t>()) != 0;
  }
  return side;
}

std::vector<std::byte> pack_direction(const DirectionFacts& direction) {
  ByteWriter writer;
  put_list(writer, direction.lanes);
  writer.put(static_cast<std::uint32_t>(direction.puts.size()));
  for (const PutRate& put : direction.puts) writer.put(put);
  writer.put(direction.round_trip_us);
  return writer.take();
}

Result<DirectionFacts> unpack_direction(Bytes bytes) {
  ByteReader reader(bytes);
  DirectionFacts direction;
  direction.lanes = SLUICE_TRY(get_list(reader));
  const std::uint32_t puts = SLUICE_TRY(get_count(reader));
  for (std::uint32_t i = 0; i < puts; ++i) {
    direction.puts.push_back(SLUICE_TRY(reader.get<PutRate>()));
  }
  direction.round_trip_us = SLUICE_TRY(reader.get<double>());
  return direction;
}

}  // namespace sluice::launch
