// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/kv/kv_gather_device.hpp"

namespace sluice::kernels {

Status gather_kv_on_cuda(const KvGatherTask& task, void* stream) {
  return with_kv_gather_body<GatherKvBody>(task, [&task, stream](const auto& body) {
    return launch_on_cuda(task.grid(), body, stream, "gather KV rows");
  });
}

Status scatter_kv_on_cuda(const KvGatherTask& task, void* stream) {
  return with_kv_gather_body<ScatterKvBody>(task, [&task, stream](const auto& body) {
    return launch_on_cuda(task.grid(), body, stream, "scatter KV rows");
  });
}

Status round_rows_on_cuda(const ConvertRowsBody<float, std::uint16_t>& rows, std::int64_t count,
                          void* stream) {
  return launch_on_cuda(count, rows, stream, "round rows");
}

Status expand_rows_on_cuda(const ConvertRowsBody<std::uint16_t, float>& rows, std::int64_t count,
                           void* stream) {
  return launch_on_cuda(count, rows, stream, "expand rows");
}

}  // namespace sluice::kernels
