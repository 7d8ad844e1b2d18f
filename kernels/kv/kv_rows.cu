// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "kernels/core/block.hpp"
#include "kernels/kv/kv_rows_body.hpp"
#include "kernels/kv/kv_rows_device.hpp"

namespace sluice::kernels {
namespace {

// Enough one-warp blocks to fill any GPU of today several times; the grid strides over the rest.
constexpr std::int64_t kThreadBlocksMax = 16384;

}  // namespace

Status move_kv_rows_on_cuda(const KvRowsTask& task, KvRowsDirection direction, void* stream) {
  SLUICE_TRY(check_kv_rows(task));
  if (task.first_token == task.last_token) return {};
  with_kv_rows_body(task, direction, [stream](std::int64_t grid, const auto& body) {
    const auto blocks = static_cast<unsigned>(std::min(grid, kThreadBlocksMax));
    cuda_grid<<<blocks, kBlockLanes, 0, static_cast<cudaStream_t>(stream)>>>(grid, body);
  });
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
    return make_error(ErrorCode::kInternal,
                      std::string("CUDA refused to move KV rows: ") + cudaGetErrorString(error));
  }
  return {};
}

}  // namespace sluice::kernels
