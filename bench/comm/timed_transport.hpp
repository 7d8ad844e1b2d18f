// SPDX-License-Identifier: Apache-2.0
// A transport that adds up how long its calls of write() take. Over shared memory that is the wire:
// the writer copies.
#pragma once

#include <chrono>
#include <utility>

#include "comm/forwarding_transport.hpp"

namespace sluice::bench {

class TimedTransport final : public comm::ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;

  // Since the last call.
  double take_writing_us() { return std::exchange(writing_us_, 0.0); }

  Status write(const comm::RemoteRegion& target, std::size_t offset_bytes, Bytes source,
               comm::OperationId operation) override {
    const auto started = std::chrono::steady_clock::now();
    Status posted = ForwardingTransport::write(target, offset_bytes, source, operation);
    writing_us_ +=
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - started)
            .count();
    return posted;
  }

 private:
  double writing_us_ = 0;
};

}  // namespace sluice::bench
