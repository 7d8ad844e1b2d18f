// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/block.hpp"
#include "kernels/kv/kv_gather_device.hpp"

namespace sluice::kernels {
namespace {

template <template <class, class> class Body>
Status move_runs(const KvGatherTask& task) {
  with_kv_gather_body<Body>(task, [&task](const auto& body) { run_on_host(task.grid(), body); });
  return {};
}

}  // namespace

Status gather_kv_on(DeviceQueue& queue, const KvGatherTask& task) {
  if (queue.is_cuda()) return gather_kv_on_cuda(task, queue.stream());
  return move_runs<GatherKvBody>(task);
}

Status scatter_kv_on(DeviceQueue& queue, const KvGatherTask& task) {
  if (queue.is_cuda()) return scatter_kv_on_cuda(task, queue.stream());
  return move_runs<ScatterKvBody>(task);
}

Status round_rows_on(DeviceQueue& queue, const ConvertRowsBody<float, std::uint16_t>& rows,
                     std::int64_t count) {
  if (queue.is_cuda()) return round_rows_on_cuda(rows, count, queue.stream());
  run_on_host(count, rows);
  return {};
}

Status expand_rows_on(DeviceQueue& queue, const ConvertRowsBody<std::uint16_t, float>& rows,
                      std::int64_t count) {
  if (queue.is_cuda()) return expand_rows_on_cuda(rows, count, queue.stream());
  run_on_host(count, rows);
  return {};
}

#if !defined(SLUICE_CUDA)
namespace {
Status no_cuda() { return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA"); }
}  // namespace

Status gather_kv_on_cuda(const KvGatherTask& /*task*/, void* /*stream*/) { return no_cuda(); }
Status scatter_kv_on_cuda(const KvGatherTask& /*task*/, void* /*stream*/) { return no_cuda(); }
Status round_rows_on_cuda(const ConvertRowsBody<float, std::uint16_t>& /*rows*/,
                          std::int64_t /*count*/, void* /*stream*/) {
  return no_cuda();
}
Status expand_rows_on_cuda(const ConvertRowsBody<std::uint16_t, float>& /*rows*/,
                           std::int64_t /*count*/, void* /*stream*/) {
  return no_cuda();
}
#endif

}  // namespace sluice::kernels
