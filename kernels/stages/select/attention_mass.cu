// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/stages/select/attention_mass_body.hpp"

namespace sluice::kernels {
namespace {

// Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
constexpr std::int64_t kThreadBlocksMax = 16384;

}  // namespace

Status add_attention_mass_on_cuda(const AttentionMassTask& task, void* stream) {
  if (task.last_token <= task.first_token) return {};
  const float root = std::sqrt(static_cast<float>(task.head_dim));
  with_attention_mass_body(task, root, [stream](std::int64_t grid, const auto& body) {
    const auto blocks = static_cast<unsigned>(std::min(grid, kThreadBlocksMax));
    cuda_grid<<<blocks, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(grid, body);
  });
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal, std::string("CUDA refused to add up attention: ") +
                                                cudaGetErrorString(error));
  }
  return {};
}

}  // namespace sluice::kernels
