// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/quantize/rtn/rtn_body.hpp"
#include "kernels/stages/quantize/rtn/rtn_device.hpp"

namespace sluice::kernels {
namespace {

template <bool kIsEncoder>
Status launch(const RtnTask& task, void* stream) {
  if (task.rows <= 0 || task.columns <= 0) return {};
  return with_rtn_body<kIsEncoder>(task, [stream](std::int64_t grid, const auto& body) {
    return launch_on_cuda(grid, body, stream, "quantize");
  });
}

}  // namespace

Status rtn_encode_on_cuda(const RtnTask& task, void* stream) { return launch<true>(task, stream); }
Status rtn_decode_on_cuda(const RtnTask& task, void* stream) { return launch<false>(task, stream); }

}  // namespace sluice::kernels
