// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device_memory.hpp"

#include <cstring>
#include <new>
#include <string>

#include "kernels/core/device.hpp"

#if SLUICE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace sluice {
namespace {

constexpr std::align_val_t kAlignment{256};

Error no_bytes() {
  return make_error(ErrorCode::kInvalidArgument, "device memory needs at least a byte");
}

class HostDeviceMemory final : public DeviceMemory {
 public:
  bool is_cuda() const override { return false; }
  Result<std::byte*> allocate(std::size_t bytes) override {
    if (bytes == 0) return no_bytes();
    auto* data = static_cast<std::byte*>(::operator new(bytes, kAlignment, std::nothrow));
    if (data == nullptr) {
      return make_error(ErrorCode::kResourceExhausted,
                        "no memory of " + std::to_string(bytes) + " bytes");
    }
    std::memset(data, 0, bytes);
    return data;
  }
  void release(std::byte* data) override { ::operator delete(data, kAlignment); }
  Status pin(std::byte*, std::size_t) override { return {}; }
  void unpin(std::byte*) override {}
  Status copy_to_device(const std::byte* host, std::size_t bytes, std::byte* device) override {
    if (bytes != 0) std::memcpy(device, host, bytes);
    return {};
  }
  Status copy_to_host(const std::byte* device, std::size_t bytes, std::byte* host) override {
    if (bytes != 0) std::memcpy(host, device, bytes);
    return {};
  }
  Status order_remote_writes() override { return {}; }
};

#if SLUICE_CUDA

Status checked(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return {};
  return make_error(
      error == cudaErrorMemoryAllocation ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
      std::string("CUDA failed to ") + what + ": " + cudaGetErrorString(error));
}

class CudaDeviceMemory final : public DeviceMemory {
 public:
  explicit CudaDeviceMemory(bool must_order) : must_order_(must_order) {}

  bool is_cuda() const override { return true; }
  Result<std::byte*> allocate(std::size_t bytes) override {
    if (bytes == 0) return no_bytes();
    void* data = nullptr;
    SLUICE_TRY(checked(cudaMalloc(&data, bytes), "allocate device memory"));
    if (const cudaError_t error = cudaMemset(data, 0, bytes); error != cudaSuccess) {
      (void)cudaFree(data);
      return checked(error, "clear device memory").error();
    }
    // A memset may go on after it returned (CUDA Runtime API, "API synchronization behavior").
    SLUICE_TRY(checked(cudaDeviceSynchronize(), "finish clearing device memory"));
    return static_cast<std::byte*>(data);
  }
  void release(std::byte* data) override { (void)cudaFree(data); }
  Status pin(std::byte* host, std::size_t bytes) override {
    return checked(cudaHostRegister(host, bytes, cudaHostRegisterDefault), "pin host memory");
  }
  void unpin(std::byte* host) override { (void)cudaHostUnregister(host); }
  Status copy_to_device(const std::byte* host, std::size_t bytes, std::byte* device) override {
    if (bytes == 0) return {};
    SLUICE_TRY(
        checked(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice), "copy to the device"));
    return checked(cudaStreamSynchronize(nullptr), "finish a copy to the device");
  }
  Status copy_to_host(const std::byte* device, std::size_t bytes, std::byte* host) override {
    if (bytes == 0) return {};
    return checked(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), "copy to the host");
  }
  Status order_remote_writes() override {
    if (!must_order_) return {};
    return checked(
        cudaDeviceFlushGPUDirectRDMAWrites(cudaFlushGPUDirectRDMAWritesTargetCurrentDevice,
                                           cudaFlushGPUDirectRDMAWritesToOwner),
        "order a network's writes");
  }

 private:
  bool must_order_;
};

#endif

}  // namespace

std::unique_ptr<DeviceMemory> make_host_device_memory() {
  return std::make_unique<HostDeviceMemory>();
}

Result<std::unique_ptr<DeviceMemory>> make_cuda_device_memory() {
#if SLUICE_CUDA
  int device = 0;
  if (cuda_device_count() == 0 || cudaGetDevice(&device) != cudaSuccess) {
    return make_error(ErrorCode::kUnsupported, "there is no CUDA device here");
  }
  int ordering = 0;
  int options = 0;
  SLUICE_TRY(
      checked(cudaDeviceGetAttribute(&ordering, cudaDevAttrGPUDirectRDMAWritesOrdering, device),
              "tell the order of a network's writes"));
  SLUICE_TRY(
      checked(cudaDeviceGetAttribute(&options, cudaDevAttrGPUDirectRDMAFlushWritesOptions, device),
              "tell how to order a network's writes"));
  // Without the call, work that is launched after the writes sees them (GPUDirect RDMA, "Design
  // considerations"): all that we do with them is.
  const bool must_order = ordering < cudaGPUDirectRDMAWritesOrderingOwner &&
                          (options & cudaFlushGPUDirectRDMAWritesOptionHost) != 0;
  return std::unique_ptr<DeviceMemory>(std::make_unique<CudaDeviceMemory>(must_order));
#else
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
#endif
}

}  // namespace sluice
