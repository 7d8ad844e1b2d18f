// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "kernels/stages/transform/linear_algebra/multiply_device.hpp"

namespace sluice::kernels {
namespace {

// Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
constexpr std::int64_t kThreadBlocksMax = 16384;

}  // namespace

Status multiply_on_cuda(const MultiplyTask& task, void* stream) {
  SLUICE_TRY(check_multiply(task));
  const MultiplyTileBody body{task};
  const std::int64_t grid = body.grid();
  if (grid <= 0) return {};
  const auto blocks = static_cast<unsigned>(std::min(grid, kThreadBlocksMax));
  cuda_grid<<<blocks, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(grid, body);
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal,
                      std::string("CUDA refused a matrix product: ") + cudaGetErrorString(error));
  }
  return {};
}

}  // namespace sluice::kernels
