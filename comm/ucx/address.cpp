// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/address.hpp"

#include <limits>
#include <span>
#include <string>

namespace sluice::comm::ucx {
namespace {

// "SLUA" and "SLUK", little-endian.
constexpr std::uint32_t kAddressMagic = 0x41554c53;
constexpr std::uint32_t kKeyMagic = 0x4b554c53;

// FNV-1a, 64 bits (Fowler, Noll, Vo).
std::uint64_t checksum(Bytes bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::byte byte : bytes) {
    hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3U;
  }
  return hash;
}

std::vector<std::byte> seal(std::uint32_t magic, Bytes content) {
  ByteWriter writer;
  writer.put(magic);
  writer.put(checksum(content));
  writer.put_array(content);
  return writer.take();
}

Result<std::vector<std::byte>> open(std::uint32_t magic, Bytes sealed, const char* what) {
  const Error error =
      make_error(ErrorCode::kInvalidArgument, std::string("these bytes are not a UCX ") + what);
  ByteReader reader(sealed);
  const auto found_magic = reader.get<std::uint32_t>();
  if (!found_magic || *found_magic != magic) return error;
  const auto found_checksum = reader.get<std::uint64_t>();
  if (!found_checksum) return error;
  auto content = reader.get_array<std::byte>();
  if (!content || reader.remaining() != 0 || checksum(*content) != *found_checksum) return error;
  return content;
}

}  // namespace

std::vector<std::byte> seal_address(const PeerAddress& address) {
  ByteWriter writer;
  writer.put(address.process);
  writer.put(address.instance);
  writer.put(static_cast<std::uint32_t>(address.has_shared_memory));
  writer.put(static_cast<std::uint32_t>(address.has_rdma));
  writer.put_array(Bytes(address.worker));
  writer.put_array(Bytes(address.control));
  return seal(kAddressMagic, writer.bytes());
}

Result<PeerAddress> open_address(Bytes sealed) {
  const auto content = SLUICE_TRY(open(kAddressMagic, sealed, "worker address"));
  ByteReader reader(content);
  PeerAddress address;
  address.process = SLUICE_TRY(reader.get<ProcessIdentity>());
  address.instance = SLUICE_TRY(reader.get<std::uint64_t>());
  address.has_shared_memory = SLUICE_TRY(reader.get<std::uint32_t>()) != 0;
  address.has_rdma = SLUICE_TRY(reader.get<std::uint32_t>()) != 0;
  address.worker = SLUICE_TRY(reader.get_array<std::byte>());
  address.control = SLUICE_TRY(reader.get_array<std::byte>());
  return address;
}

bool may_write_alone(const PeerAddress& one, const PeerAddress& other) {
  const bool is_one_host =
      one.process.host == other.process.host || one.process.host == 0 || other.process.host == 0;
  return (one.has_rdma && other.has_rdma) ||
         (is_one_host && one.has_shared_memory && other.has_shared_memory);
}

std::vector<std::byte> seal_region_key(const RegionKey& key) {
  ByteWriter writer;
  writer.put(key.address);
  writer.put(key.bytes);
  writer.put(key.region);
  writer.put(static_cast<std::uint32_t>(key.kind));
  writer.put_array(Bytes(key.packed));
  return seal(kKeyMagic, writer.bytes());
}

Result<RegionKey> open_region_key(Bytes sealed) {
  const auto content = SLUICE_TRY(open(kKeyMagic, sealed, "region key"));
  ByteReader reader(content);
  RegionKey key;
  key.address = SLUICE_TRY(reader.get<std::uint64_t>());
  key.bytes = SLUICE_TRY(reader.get<std::uint64_t>());
  key.region = SLUICE_TRY(reader.get<std::uint32_t>());
  const auto kind = SLUICE_TRY(reader.get<std::uint32_t>());
  if (kind > static_cast<std::uint32_t>(MemoryKind::kCuda)) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a region key names a kind of memory unknown here");
  }
  key.kind = static_cast<MemoryKind>(kind);
  key.packed = SLUICE_TRY(reader.get_array<std::byte>());
  if (key.bytes > std::numeric_limits<std::uint64_t>::max() - key.address) {
    return make_error(ErrorCode::kInvalidArgument, "a region key names impossible addresses");
  }
  return key;
}

}  // namespace sluice::comm::ucx
