// SPDX-License-Identifier: Apache-2.0
// Running a body on a CUDA stream. For .cu files; to a C++ compiler this header is empty.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "kernels/core/block.hpp"
#include "kernels/core/result.hpp"

namespace sluice {

// Queued; a grid of nothing is fine. `what` ends the sentence "CUDA refused to ...".
template <class Body>
Status launch_on_cuda(std::int64_t grid, const Body& body, void* stream, const char* what) {
  // Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
  constexpr std::int64_t kThreadBlocksMax = 16384;
  if (grid <= 0) return {};
  const auto blocks = static_cast<unsigned>(std::min(grid, kThreadBlocksMax));
  cuda_grid<<<blocks, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(grid, body);
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal,
                      std::string("CUDA refused to ") + what + ": " + cudaGetErrorString(error));
  }
  return {};
}

}  // namespace sluice

#endif
