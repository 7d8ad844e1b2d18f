// SPDX-License-Identifier: Apache-2.0
#include "comm/sim/sim_transport.hpp"

#include <algorithm>

namespace sluice::comm::sim {
namespace {

constexpr std::uint32_t kAddressMagic = 0x41534c53;  // "SLSA"
constexpr std::uint32_t kKeyMagic = 0x4b534c53;      // "SLSK"

}  // namespace

std::vector<std::byte> SimTransport::address() const {
  ByteWriter writer;
  writer.put(kAddressMagic);
  writer.put(token_);
  return writer.take();
}

Status SimTransport::connect(NodeId peer, Bytes address) {
  ByteReader reader(address);
  const auto magic = reader.get<std::uint32_t>();
  const auto token = reader.get<Token>();
  if (!magic || *magic != kAddressMagic || !token || reader.remaining() != 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      "these bytes are not an address of a simulated world");
  }
  world_->connect(token_, peer, *token);
  return {};
}

Result<Region> SimTransport::allocate(std::size_t bytes, MemoryKind kind) {
  if (kind != MemoryKind::kHost) {
    return make_error(ErrorCode::kUnsupported, "a simulated node has host memory only");
  }
  return world_->allocate(token_, bytes);
}

Result<std::vector<std::byte>> SimTransport::export_region(const Region& region) {
  const std::size_t bytes = SLUICE_TRY(world_->region_bytes(token_, region.id));
  ByteWriter writer;
  writer.put(kKeyMagic);
  writer.put(token_);
  writer.put(region.id);
  writer.put(static_cast<std::uint64_t>(bytes));
  return writer.take();
}

Result<RemoteRegion> SimTransport::import_region(NodeId peer, Bytes key) {
  ByteReader reader(key);
  const auto magic = reader.get<std::uint32_t>();
  const auto owner = reader.get<Token>();
  const auto id = reader.get<std::uint32_t>();
  const auto bytes = reader.get<std::uint64_t>();
  if (!magic || *magic != kKeyMagic || !owner || !id || !bytes || reader.remaining() != 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      "these bytes are not a region key of peer " + std::to_string(peer));
  }
  return world_->import_region(token_, peer, *owner, Region{nullptr, *bytes, *id});
}

void SimTransport::wait(std::chrono::milliseconds timeout) {
  // A deadline far away overflows the clock; a day is as good as for ever.
  const auto limit = std::clamp<std::chrono::milliseconds>(timeout, std::chrono::milliseconds(0),
                                                           std::chrono::hours(24));
  const std::int64_t timeout_us = std::chrono::microseconds(limit).count();
  advance_ == Advance::kByDriver ? world_->wait_until(token_, timeout_us)
                                 : world_->sleep(token_, timeout_us);
}

std::shared_ptr<World> make_world(const WorldOptions& options) {
  return std::make_shared<SimWorld>(options);
}

Result<std::unique_ptr<Transport>> open_sim_on(std::shared_ptr<World> world,
                                               const TransportOptions& options) {
  auto own = std::dynamic_pointer_cast<SimWorld>(std::move(world));
  if (own == nullptr) {
    return make_error(ErrorCode::kInvalidArgument, "this world is not of make_world()");
  }
  return std::unique_ptr<Transport>(
      std::make_unique<SimTransport>(std::move(own), options.self, Advance::kByDriver));
}

Result<std::unique_ptr<Transport>> open_sim(const TransportOptions& options) {
  static const auto world = std::make_shared<SimWorld>(WorldOptions{});
  return std::unique_ptr<Transport>(
      std::make_unique<SimTransport>(world, options.self, Advance::kByWait));
}

}  // namespace sluice::comm::sim
