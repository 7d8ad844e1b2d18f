// SPDX-License-Identifier: Apache-2.0
// Work in a device's memory, in order: bodies, and copies from and to the host.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

#include "kernels/core/result.hpp"

namespace sluice {

// One thread's; not shared. Everything is queued: host memory that a copy reads or writes stays as
// it is until wait(). Errors are kInternal, or kResourceExhausted for memory, with CUDA's words.
class DeviceQueue {
 public:
  virtual ~DeviceQueue() = default;

  // False: the host stands for a device, and bodies run at once on the thread that calls.
  virtual bool is_cuda() const = 0;
  // A cudaStream_t, for launchers.
  virtual void* stream() const = 0;

  // Uninitialised bytes, aligned for every type, until clear(). Never null.
  virtual Result<std::byte*> room(std::size_t bytes) = 0;
  // The same on the host, where copies need no staging.
  virtual Result<std::byte*> host_room(std::size_t bytes) = 0;
  // All room is free again; the queue keeps the memory. Waits first.
  virtual Status clear() = 0;

  virtual Status copy_to_device(const void* from, std::size_t bytes, void* to) = 0;
  virtual Status copy_to_host(const void* from, std::size_t bytes, void* to) = 0;
  virtual Status wait() = 0;
};

// The bodies on HostBlock, in host memory: what tests compare with a device.
std::unique_ptr<DeviceQueue> make_host_queue();

// `stream`: a cudaStream_t of the thread's current device; nullptr is the default one. It must
// outlive the queue. kUnsupported in a build without CUDA.
Result<std::unique_ptr<DeviceQueue>> make_cuda_queue(void* stream);

template <class T>
Result<T*> room_for(DeviceQueue& queue, std::size_t count) {
  std::byte* room = SLUICE_TRY(queue.room(count * sizeof(T)));
  return reinterpret_cast<T*>(room);
}

// A copy in the device's memory; `values` stays until wait().
template <class T>
Result<std::remove_const_t<T>*> upload(DeviceQueue& queue, std::span<T> values) {
  auto* const room = SLUICE_TRY(room_for<std::remove_const_t<T>>(queue, values.size()));
  SLUICE_TRY(queue.copy_to_device(values.data(), values.size_bytes(), room));
  return room;
}

}  // namespace sluice
