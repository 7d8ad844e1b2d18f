// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "kernels/core/block.hpp"
#include "kernels/stages/entropy/rans/rans_device.hpp"

namespace sluice::kernels {
namespace {

// Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
constexpr std::int64_t kThreadBlocksMax = 16384;

template <class Body>
Status launch(std::int64_t blocks, const Body& body, void* stream) {
  if (blocks == 0) return {};
  const auto grid = static_cast<unsigned>(std::min(blocks, kThreadBlocksMax));
  cuda_grid<<<grid, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(blocks, body);
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal,
                      std::string("CUDA refused to run rANS: ") + cudaGetErrorString(error));
  }
  return {};
}

}  // namespace

Status rans_decode_on_cuda(const RansDecodeTask& task, void* stream) {
  return launch(task.layout.blocks(), RansDecodeBody{task}, stream);
}

Status rans_encode_on_cuda(const RansEncodeTask& task, void* stream) {
  return launch(task.layout.blocks(), RansEncodeBody{task}, stream);
}

}  // namespace sluice::kernels
