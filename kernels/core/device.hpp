// SPDX-License-Identifier: Apache-2.0
// Whether this build and this machine have CUDA, and where memory is.
#pragma once

#include <cstdint>

namespace sluice {

enum class MemoryKind : std::uint8_t { kHost, kCuda };

bool is_built_with_cuda();

// CUDA devices this process can use: 0 without a driver, without a device, or in a CPU build.
int cuda_device_count();

}  // namespace sluice
