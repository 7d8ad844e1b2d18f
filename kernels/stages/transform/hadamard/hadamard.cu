// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "kernels/core/block.hpp"
#include "kernels/stages/transform/hadamard/hadamard_body.hpp"
#include "kernels/stages/transform/hadamard/hadamard_device.hpp"

namespace sluice::kernels {
namespace {

// Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
constexpr std::int64_t kThreadBlocksMax = 16384;

}  // namespace

Status hadamard_on_cuda(const HadamardTask& task, void* stream) {
  const std::int64_t grid = task.rows * (task.columns / task.size);
  if (grid <= 0) return {};
  const auto blocks = static_cast<unsigned>(std::min(grid, kThreadBlocksMax));
  cuda_grid<<<blocks, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(grid,
                                                                           HadamardBody{task});
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal,
                      std::string("CUDA refused to transform: ") + cudaGetErrorString(error));
  }
  return {};
}

}  // namespace sluice::kernels
