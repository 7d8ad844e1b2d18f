// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/kv/kv_rows_body.hpp"
#include "kernels/kv/kv_rows_device.hpp"

namespace sluice::kernels {

Status move_kv_rows_on_cuda(const KvRowsTask& task, KvRowsDirection direction, void* stream) {
  SLUICE_TRY(check_kv_rows(task));
  return with_kv_rows_body(task, direction, [stream](std::int64_t grid, const auto& body) {
    return launch_on_cuda(grid, body, stream, "move KV rows");
  });
}

}  // namespace sluice::kernels
