// SPDX-License-Identifier: Apache-2.0
// The memory of a worker that frames pass through: "work" is where codecs make and take them, on
// the host or the device; "wire" is what the network reads and writes. They are the same, or wire
// is pinned host memory of the same size, and what passes is copied: before a write out of it,
// after a landing in it. Offsets are the same in both.
#pragma once

#include <cstddef>
#include <memory>

#include "comm/memory_path.hpp"
#include "comm/transport.hpp"
#include "kernels/core/device_memory.hpp"
#include "kernels/core/result.hpp"

namespace sluice::runtime {

class TransferMemory {
 public:
  // `transport` and `device` outlive it; `device` may be null for MemoryPath::kHostOnly. All is
  // zero-filled. The transport's and the device's errors.
  static Result<std::unique_ptr<TransferMemory>> allocate(comm::Transport& transport,
                                                          DeviceMemory* device,
                                                          comm::MemoryPath path, std::size_t bytes);
  TransferMemory(const TransferMemory&) = delete;
  TransferMemory& operator=(const TransferMemory&) = delete;
  ~TransferMemory();

  std::size_t bytes() const { return wire_.bytes; }
  std::byte* work() const { return work_; }
  MemoryKind work_kind() const { return work_kind_; }
  // To export, and to write from.
  const comm::Region& wire() const { return wire_; }
  bool is_bounced() const { return work_ != wire_.data; }

  // `bytes` at `offset_bytes` of work are to be written to a peer: then they are in wire.
  Status before_write(std::size_t offset_bytes, std::size_t bytes);
  // `bytes` at `offset_bytes` of wire have landed, said a message after their flush: then they are
  // in work, and kernels launched from now on read them.
  Status after_landing(std::size_t offset_bytes, std::size_t bytes);

 private:
  TransferMemory(comm::Transport& transport, DeviceMemory* device)
      : transport_(transport), device_(device) {}

  comm::Transport& transport_;
  DeviceMemory* device_;
  comm::Region wire_;
  std::byte* work_ = nullptr;
  MemoryKind work_kind_ = MemoryKind::kHost;
  bool is_pinned_ = false;
};

}  // namespace sluice::runtime
