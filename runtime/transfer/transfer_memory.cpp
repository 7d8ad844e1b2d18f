// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/transfer_memory.hpp"

#include "kernels/core/check.hpp"

namespace sluice::runtime {

using comm::MemoryPath;

Result<std::unique_ptr<TransferMemory>> TransferMemory::allocate(comm::Transport& transport,
                                                                 DeviceMemory* device,
                                                                 MemoryPath path,
                                                                 std::size_t bytes) {
  SLUICE_CHECK(device != nullptr || path == MemoryPath::kHostOnly,
               "device memory was asked for without a device");
  std::unique_ptr<TransferMemory> memory(new TransferMemory(transport, device));
  const MemoryKind wire_kind = path == MemoryPath::kDirect ? MemoryKind::kCuda : MemoryKind::kHost;
  memory->wire_ = SLUICE_TRY(transport.allocate(bytes, wire_kind));
  memory->work_ = memory->wire_.data;
  memory->work_kind_ = wire_kind;
  if (path != MemoryPath::kPinnedBounce) return memory;
  // Unpinned, each copy would pass through the driver's own pinned memory once more.
  SLUICE_TRY(device->pin(memory->wire_.data, memory->wire_.bytes));
  memory->is_pinned_ = true;
  memory->work_ = SLUICE_TRY(device->allocate(memory->wire_.bytes));
  memory->work_kind_ = MemoryKind::kCuda;
  return memory;
}

TransferMemory::~TransferMemory() {
  if (wire_.data == nullptr) return;
  if (is_bounced()) device_->release(work_);
  if (is_pinned_) device_->unpin(wire_.data);
  transport_.release(wire_);
}

Status TransferMemory::before_write(std::size_t offset_bytes, std::size_t bytes) {
  SLUICE_CHECK(offset_bytes <= wire_.bytes && bytes <= wire_.bytes - offset_bytes,
               "a write out of transfer memory leaves it");
  if (!is_bounced()) return {};
  return device_->copy_to_host(work_ + offset_bytes, bytes, wire_.data + offset_bytes);
}

Status TransferMemory::after_landing(std::size_t offset_bytes, std::size_t bytes) {
  SLUICE_CHECK(offset_bytes <= wire_.bytes && bytes <= wire_.bytes - offset_bytes,
               "a landing in transfer memory leaves it");
  if (is_bounced()) {
    return device_->copy_to_device(wire_.data + offset_bytes, bytes, work_ + offset_bytes);
  }
  if (work_kind_ == MemoryKind::kCuda) return device_->order_remote_writes();
  return {};
}

}  // namespace sluice::runtime
