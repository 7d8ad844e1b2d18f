// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device_queue.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#if SLUICE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace sluice {
namespace {

constexpr std::size_t kRoomAlignment = 256;
constexpr std::size_t kChunkBytesMin = std::size_t{1} << 20;

// Memory of one kind in chunks that stay: `Memory` has allocate(bytes) and free(pointer).
template <class Memory>
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    for (const Chunk& chunk : chunks_) Memory::free(chunk.data);
  }

  Result<std::byte*> take(std::size_t bytes) {
    bytes =
        std::max<std::size_t>((bytes + kRoomAlignment - 1) / kRoomAlignment, 1) * kRoomAlignment;
    for (Chunk& chunk : chunks_) {
      if (chunk.bytes - chunk.used < bytes) continue;
      chunk.used += bytes;
      return chunk.data + chunk.used - bytes;
    }
    const std::size_t chunk_bytes = std::max(bytes, kChunkBytesMin);
    chunks_.reserve(chunks_.size() + 1);
    std::byte* const data = SLUICE_TRY(Memory::allocate(chunk_bytes));
    chunks_.push_back({data, chunk_bytes, bytes});
    return data;
  }

  // Several chunks become one at the next take(): what one frame needs, the next one does.
  Status clear() {
    std::size_t all = 0;
    for (Chunk& chunk : chunks_) {
      all += chunk.bytes;
      chunk.used = 0;
    }
    if (chunks_.size() < 2) return {};
    for (const Chunk& chunk : chunks_) Memory::free(chunk.data);
    chunks_.clear();
    std::byte* const data = SLUICE_TRY(Memory::allocate(all));
    chunks_.push_back({data, all, 0});
    return {};
  }

 private:
  struct Chunk {
    std::byte* data;
    std::size_t bytes;
    std::size_t used;
  };
  std::vector<Chunk> chunks_;
};

struct PlainMemory {
  static Result<std::byte*> allocate(std::size_t bytes) {
    return static_cast<std::byte*>(::operator new (bytes, std::align_val_t{kRoomAlignment}));
  }
  static void free(std::byte* data) { ::operator delete (data, std::align_val_t{kRoomAlignment}); }
};

class HostQueue final : public DeviceQueue {
 public:
  bool is_cuda() const override { return false; }
  void* stream() const override { return nullptr; }
  Result<std::byte*> room(std::size_t bytes) override { return arena_.take(bytes); }
  Result<std::byte*> host_room(std::size_t bytes) override { return arena_.take(bytes); }
  Status clear() override { return arena_.clear(); }
  Status copy_to_device(const void* from, std::size_t bytes, void* to) override {
    if (bytes != 0) std::memcpy(to, from, bytes);
    return {};
  }
  Status copy_to_host(const void* from, std::size_t bytes, void* to) override {
    return copy_to_device(from, bytes, to);
  }
  Status wait() override { return {}; }

 private:
  Arena<PlainMemory> arena_;
};

#if SLUICE_CUDA

Status checked(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return {};
  return make_error(
      error == cudaErrorMemoryAllocation ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
      std::string("CUDA failed to ") + what + ": " + cudaGetErrorString(error));
}

struct DeviceMemory {
  static Result<std::byte*> allocate(std::size_t bytes) {
    void* data = nullptr;
    SLUICE_TRY(checked(cudaMalloc(&data, bytes), "allocate device memory"));
    return static_cast<std::byte*>(data);
  }
  static void free(std::byte* data) { (void)cudaFree(data); }
};

struct PinnedMemory {
  static Result<std::byte*> allocate(std::size_t bytes) {
    void* data = nullptr;
    SLUICE_TRY(
        checked(cudaHostAlloc(&data, bytes, cudaHostAllocDefault), "allocate pinned host memory"));
    return static_cast<std::byte*>(data);
  }
  static void free(std::byte* data) { (void)cudaFreeHost(data); }
};

class CudaQueue final : public DeviceQueue {
 public:
  explicit CudaQueue(cudaStream_t stream) : stream_(stream) {}
  ~CudaQueue() override { (void)cudaStreamSynchronize(stream_); }

  bool is_cuda() const override { return true; }
  void* stream() const override { return stream_; }
  Result<std::byte*> room(std::size_t bytes) override { return device_.take(bytes); }
  Result<std::byte*> host_room(std::size_t bytes) override { return pinned_.take(bytes); }
  Status clear() override {
    SLUICE_TRY(wait());
    SLUICE_TRY(device_.clear());
    return pinned_.clear();
  }
  Status copy_to_device(const void* from, std::size_t bytes, void* to) override {
    if (bytes == 0) return {};
    return checked(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_),
                   "copy to the device");
  }
  Status copy_to_host(const void* from, std::size_t bytes, void* to) override {
    if (bytes == 0) return {};
    return checked(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_),
                   "copy to the host");
  }
  Status wait() override {
    return checked(cudaStreamSynchronize(stream_), "finish what was queued");
  }

 private:
  cudaStream_t stream_;
  Arena<DeviceMemory> device_;
  Arena<PinnedMemory> pinned_;
};

#endif

}  // namespace

std::unique_ptr<DeviceQueue> make_host_queue() { return std::make_unique<HostQueue>(); }

Result<std::unique_ptr<DeviceQueue>> make_cuda_queue(void* stream) {
#if SLUICE_CUDA
  return std::unique_ptr<DeviceQueue>(
      std::make_unique<CudaQueue>(static_cast<cudaStream_t>(stream)));
#else
  (void)stream;
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
#endif
}

}  // namespace sluice
