// SPDX-License-Identifier: Apache-2.0
// One node's transport in a simulated world.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/sim/world.hpp"

namespace sluice::comm::sim {

// Who makes time pass: the driver, by World::advance(), or whoever waits.
enum class Advance : std::uint8_t { kByDriver, kByWait };

class SimTransport final : public Transport {
 public:
  SimTransport(std::shared_ptr<SimWorld> world, NodeId self, Advance advance)
      : world_(std::move(world)),
        self_(self),
        advance_(advance),
        token_(world_->add_process(self)) {}
  ~SimTransport() override { world_->remove_process(token_); }
  SimTransport(const SimTransport&) = delete;
  SimTransport& operator=(const SimTransport&) = delete;

  NodeId self() const override { return self_; }
  std::int64_t now_us() const override { return world_->now_us(); }
  std::vector<std::byte> address() const override;
  Status connect(NodeId peer, Bytes address) override;
  Result<Region> allocate(std::size_t bytes, MemoryKind kind) override;
  void release(const Region& region) override { world_->release(token_, region.id); }
  Result<std::vector<std::byte>> export_region(const Region& region) override;
  Result<RemoteRegion> import_region(NodeId peer, Bytes key) override;
  void forget_region(const RemoteRegion& region) override {
    world_->forget_region(token_, region.id);
  }
  Status write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
               OperationId operation) override {
    return world_->write(token_, target, offset_bytes, source, operation);
  }
  Status flush(NodeId peer, OperationId operation) override {
    return world_->flush(token_, peer, operation);
  }
  Status send(NodeId peer, std::uint16_t type, Bytes payload, OperationId operation) override {
    return world_->send(token_, peer, type, payload, operation);
  }
  std::size_t poll(std::span<Completion> completions) override {
    return world_->poll(token_, completions);
  }
  void wait(std::chrono::milliseconds timeout) override;
  void wake() override { world_->wake(token_); }
  void close(NodeId peer) override { world_->close(token_, peer); }
  std::vector<std::string> lanes(NodeId peer) const override {
    if (!world_->is_connected(token_, peer)) return {};
    return {"sim/virtual"};
  }

 private:
  std::shared_ptr<SimWorld> world_;
  NodeId self_;
  Advance advance_;
  Token token_;
};

}  // namespace sluice::comm::sim
