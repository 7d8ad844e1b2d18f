// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/block.hpp"
#include "kernels/kv/kv_rows_body.hpp"
#include "kernels/kv/kv_rows_device.hpp"

namespace sluice::kernels {

Status check_kv_rows(const KvRowsTask& task) {
  if (task.block_tokens <= 0 || task.kv_heads <= 0 || task.head_dim <= 0) {
    return make_error(ErrorCode::kInvalidArgument, "KV rows of an empty shape were asked for");
  }
  if (task.first_token < 0 || task.last_token < task.first_token) {
    return make_error(ErrorCode::kInvalidArgument, "KV rows of a backward token range");
  }
  return {};
}

Status move_kv_rows_on_host(const KvRowsTask& task, KvRowsDirection direction) {
  SLUICE_TRY(check_kv_rows(task));
  with_kv_rows_body(task, direction,
                    [](std::int64_t grid, const auto& body) { run_on_host(grid, body); });
  return {};
}

#if !defined(SLUICE_CUDA)
Status move_kv_rows_on_cuda(const KvRowsTask& /*task*/, KvRowsDirection /*direction*/,
                            void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
