// SPDX-License-Identifier: Apache-2.0
// A transport that is another one but for what a class of it overrides: a clock in a test's hands,
// a bench's stopwatch around a call.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/transport.hpp"

namespace sluice::comm {

class ForwardingTransport : public Transport {
 public:
  explicit ForwardingTransport(std::unique_ptr<Transport> inner) : inner_(std::move(inner)) {}

  NodeId self() const override { return inner_->self(); }
  std::int64_t now_us() const override { return inner_->now_us(); }
  std::vector<std::byte> address() const override { return inner_->address(); }
  Status connect(NodeId peer, Bytes address) override { return inner_->connect(peer, address); }
  Result<Region> allocate(std::size_t bytes, MemoryKind kind) override {
    return inner_->allocate(bytes, kind);
  }
  void release(const Region& region) override { inner_->release(region); }
  Result<std::vector<std::byte>> export_region(const Region& region) override {
    return inner_->export_region(region);
  }
  Result<RemoteRegion> import_region(NodeId peer, Bytes key) override {
    return inner_->import_region(peer, key);
  }
  void forget_region(const RemoteRegion& region) override { inner_->forget_region(region); }
  Status write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
               OperationId operation) override {
    return inner_->write(target, offset_bytes, source, operation);
  }
  Status flush(NodeId peer, OperationId operation) override {
    return inner_->flush(peer, operation);
  }
  Status send(NodeId peer, std::uint16_t type, Bytes payload, OperationId operation) override {
    return inner_->send(peer, type, payload, operation);
  }
  std::size_t poll(std::span<Completion> completions) override { return inner_->poll(completions); }
  void wait(std::chrono::milliseconds timeout) override { inner_->wait(timeout); }
  void wake() override { inner_->wake(); }
  void close(NodeId peer) override { inner_->close(peer); }
  std::vector<std::string> lanes(NodeId peer) const override { return inner_->lanes(peer); }

 private:
  std::unique_ptr<Transport> inner_;
};

}  // namespace sluice::comm
