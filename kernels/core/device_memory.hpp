// SPDX-License-Identifier: Apache-2.0
// Memory of a device that stays where it is, for networks to read and write: unlike a DeviceQueue's
// room it is one allocation, made once, and copies are done when they return.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/core/result.hpp"

namespace sluice {

// One thread's; not shared. Errors are kInternal, or kResourceExhausted for memory, with CUDA's
// words.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  // False: the host stands for a device.
  virtual bool is_cuda() const = 0;

  // Zero-filled, aligned to 256 bytes; until release(). kInvalidArgument for no bytes.
  virtual Result<std::byte*> allocate(std::size_t bytes) = 0;
  virtual void release(std::byte* data) = 0;

  // Locks host pages, so that the device copies from and to them by itself; until unpin().
  virtual Status pin(std::byte* host, std::size_t bytes) = 0;
  virtual void unpin(std::byte* host) = 0;

  virtual Status copy_to_device(const std::byte* host, std::size_t bytes, std::byte* device) = 0;
  virtual Status copy_to_host(const std::byte* device, std::size_t bytes, std::byte* host) = 0;

  // After a NIC said that its writes to the device are done, and before a kernel reads them. Free
  // where the device orders such writes by itself.
  virtual Status order_remote_writes() = 0;
};

std::unique_ptr<DeviceMemory> make_host_device_memory();

// Of the thread's current device. kUnsupported in a build without CUDA, and without a device.
Result<std::unique_ptr<DeviceMemory>> make_cuda_device_memory();

}  // namespace sluice
