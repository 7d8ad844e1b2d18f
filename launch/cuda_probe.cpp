// SPDX-License-Identifier: Apache-2.0
#include "launch/cuda_probe.hpp"

#include <dlfcn.h>

#include <memory>

namespace sluice::launch {
namespace {

// The driver interface's own numbers (CUDA Driver API reference: CUresult, CUdevice_attribute).
constexpr int kSuccess = 0;
constexpr int kNoDevice = 100;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr int kDmaBufSupported = 124;

template <class Function>
bool find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  return function != nullptr;
}

struct Driver {
  int (*init)(unsigned);
  int (*version)(int*);
  int (*count)(int*);
  int (*device)(int*, int);
  int (*name)(char*, int, int);
  int (*memory)(std::size_t*, int);
  int (*attribute)(int*, int, int);

  bool load(void* library) {
    return find(library, "cuInit", init) && find(library, "cuDriverGetVersion", version) &&
           find(library, "cuDeviceGetCount", count) && find(library, "cuDeviceGet", device) &&
           find(library, "cuDeviceGetName", name) && find(library, "cuDeviceTotalMem_v2", memory) &&
           find(library, "cuDeviceGetAttribute", attribute);
  }
};

CudaDevice describe(const Driver& driver, int index) {
  CudaDevice found;
  int device = 0;
  if (driver.device(&device, index) != kSuccess) return found;
  char name[128] = {};
  if (driver.name(name, sizeof(name) - 1, device) == kSuccess) found.name = name;
  std::size_t bytes = 0;
  if (driver.memory(&bytes, device) == kSuccess) found.memory_bytes = bytes;
  driver.attribute(&found.capability_major, kCapabilityMajor, device);
  driver.attribute(&found.capability_minor, kCapabilityMinor, device);
  int dmabuf = 0;
  found.dmabuf = driver.attribute(&dmabuf, kDmaBufSupported, device) == kSuccess && dmabuf == 1;
  return found;
}

}  // namespace

CudaProbe probe_cuda() {
  CudaProbe probe;
  // Never closed: the driver does not support being unloaded.
  void* const library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    probe.failure = "no NVIDIA driver (libcuda.so.1 is not there)";
    return probe;
  }
  Driver driver{};
  if (!driver.load(library)) {
    probe.failure = "libcuda.so.1 is older than CUDA 11";
    return probe;
  }
  const int started = driver.init(0);
  if (started != kSuccess && started != kNoDevice) {
    probe.failure = "the NVIDIA driver does not start (error " + std::to_string(started) + ")";
    return probe;
  }
  probe.has_driver = true;
  driver.version(&probe.driver_version);
  int count = 0;
  if (started == kNoDevice || driver.count(&count) != kSuccess || count == 0) {
    probe.failure = "the NVIDIA driver sees no GPU";
    return probe;
  }
  for (int index = 0; index < count; ++index) probe.devices.push_back(describe(driver, index));
  return probe;
}

}  // namespace sluice::launch
