// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "kernels/core/block.hpp"
#include "kernels/stages/quantize/small_float/small_float_body.hpp"
#include "kernels/stages/quantize/small_float/small_float_device.hpp"

namespace sluice::kernels {
namespace {

// Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
constexpr std::int64_t kThreadBlocksMax = 16384;

template <bool kIsEncoder>
Status launch(const SmallFloatTask& task, void* stream) {
  if (task.rows <= 0 || task.columns <= 0) return {};
  with_small_float_body<kIsEncoder>(task, [stream](std::int64_t grid, const auto& body) {
    const auto blocks = static_cast<unsigned>(std::min(grid, kThreadBlocksMax));
    cuda_grid<<<blocks, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(grid, body);
  });
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal,
                      std::string("CUDA refused to quantize: ") + cudaGetErrorString(error));
  }
  return {};
}

}  // namespace

Status small_float_encode_on_cuda(const SmallFloatTask& task, void* stream) {
  return launch<true>(task, stream);
}
Status small_float_decode_on_cuda(const SmallFloatTask& task, void* stream) {
  return launch<false>(task, stream);
}

}  // namespace sluice::kernels
