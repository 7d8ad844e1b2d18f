// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/block.hpp"
#include "kernels/stages/quantize/rtn/rtn_device.hpp"

namespace sluice::kernels {

void rtn_encode_on_host(const RtnTask& task) {
  with_rtn_body<true>(task, [](std::int64_t grid, const auto& body) { run_on_host(grid, body); });
}

void rtn_decode_on_host(const RtnTask& task) {
  with_rtn_body<false>(task, [](std::int64_t grid, const auto& body) { run_on_host(grid, body); });
}

#if !defined(SLUICE_CUDA)
Status rtn_encode_on_cuda(const RtnTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
Status rtn_decode_on_cuda(const RtnTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
