// SPDX-License-Identifier: Apache-2.0
// A transport that adds up how long its calls of write() take. Over shared memory that is the wire:
// the writer copies.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/transport.hpp"

namespace sluice::bench {

class TimedTransport final : public comm::Transport {
 public:
  explicit TimedTransport(std::unique_ptr<comm::Transport> inner) : inner_(std::move(inner)) {}

  // Since the last call.
  double take_writing_us() { return std::exchange(writing_us_, 0.0); }

  comm::NodeId self() const override { return inner_->self(); }
  std::int64_t now_us() const override { return inner_->now_us(); }
  std::vector<std::byte> address() const override { return inner_->address(); }
  Status connect(comm::NodeId peer, Bytes address) override {
    return inner_->connect(peer, address);
  }
  Result<comm::Region> allocate(std::size_t bytes, comm::MemoryKind kind) override {
    return inner_->allocate(bytes, kind);
  }
  void release(const comm::Region& region) override { inner_->release(region); }
  Result<std::vector<std::byte>> export_region(const comm::Region& region) override {
    return inner_->export_region(region);
  }
  Result<comm::RemoteRegion> import_region(comm::NodeId peer, Bytes key) override {
    return inner_->import_region(peer, key);
  }
  void forget_region(const comm::RemoteRegion& region) override { inner_->forget_region(region); }
  Status write(const comm::RemoteRegion& target, std::size_t offset_bytes, Bytes source,
               comm::OperationId operation) override {
    const auto started = std::chrono::steady_clock::now();
    Status posted = inner_->write(target, offset_bytes, source, operation);
    writing_us_ +=
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - started)
            .count();
    return posted;
  }
  Status flush(comm::NodeId peer, comm::OperationId operation) override {
    return inner_->flush(peer, operation);
  }
  Status send(comm::NodeId peer, std::uint16_t type, Bytes payload,
              comm::OperationId operation) override {
    return inner_->send(peer, type, payload, operation);
  }
  std::size_t poll(std::span<comm::Completion> completions) override {
    return inner_->poll(completions);
  }
  void wait(std::chrono::milliseconds timeout) override { inner_->wait(timeout); }
  void wake() override { inner_->wake(); }
  void close(comm::NodeId peer) override { inner_->close(peer); }
  std::vector<std::string> lanes(comm::NodeId peer) const override { return inner_->lanes(peer); }

 private:
  std::unique_ptr<comm::Transport> inner_;
  double writing_us_ = 0;
};

}  // namespace sluice::bench
