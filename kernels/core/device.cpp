// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device.hpp"

#if SLUICE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace sluice {

bool is_built_with_cuda() {
#if SLUICE_CUDA
  return true;
#else
  return false;
#endif
}

int cuda_device_count() {
#if SLUICE_CUDA
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
#else
  return 0;
#endif
}

}  // namespace sluice
