// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "kernels/stages/transform/unrope/unrope_device.hpp"

namespace sluice::kernels {
namespace {

// Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
constexpr std::int64_t kThreadBlocksMax = 16384;

}  // namespace

Status unrope_on_cuda(const UnropeTask& task, void* stream) {
  if (task.rows <= 0) return {};
  const auto blocks = static_cast<unsigned>(std::min(task.rows, kThreadBlocksMax));
  cuda_grid<<<blocks, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(task.rows,
                                                                           UnropeBody{task});
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal,
                      std::string("CUDA refused to turn keys: ") + cudaGetErrorString(error));
  }
  return {};
}

}  // namespace sluice::kernels
