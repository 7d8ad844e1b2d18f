// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/projection_device.hpp"

#include <cstddef>

#include "kernels/stages/transform/linear_algebra/multiply_device.hpp"

namespace sluice::kernels {
namespace {

template <class Rows>
Rows columns_of(const Rows& rows, std::int64_t first, std::int64_t count) {
  return {rows.data + first, rows.rows, count, rows.stride};
}

Result<const float*> floats_on(DeviceQueue& queue, const float* values, std::int64_t count) {
  return SLUICE_TRY(upload(queue, std::span(values, static_cast<std::size_t>(count))));
}

Status shift_on(DeviceQueue& queue, const ShiftTask& task) {
  if (queue.is_cuda()) return shift_on_cuda(task, queue.stream());
  run_on_host(task.from.rows, ShiftBody{task});
  return {};
}

// `matrix`: the host's, [from.columns][to.columns].
Status multiply_on(DeviceQueue& queue, ConstMatrix from, const float* matrix, Matrix to) {
  const float* const there = SLUICE_TRY(floats_on(queue, matrix, from.columns * to.columns));
  const MultiplyTask task{.a = from,
                          .b = {there, from.columns, to.columns, to.columns},
                          .out = to,
                          .b_is_transposed = false};
  if (queue.is_cuda()) return multiply_on_cuda(task, queue.stream());
  const MultiplyTileBody body{task};
  run_on_host(body.grid(), body);
  return {};
}

}  // namespace

Status project_on(DeviceQueue& queue, std::span<const LinearBlock> blocks, ConstMatrix rows,
                  Matrix transformed) {
  for (const LinearBlock& block : blocks) {
    ShiftTask task{.from = columns_of(rows, block.first, block.columns),
                   .to = columns_of(transformed, block.out_first, block.rank)};
    if (block.mean != nullptr) {
      task.vector = SLUICE_TRY(floats_on(queue, block.mean, block.columns));
      task.shift = Shift::kMinus;
    }
    if (block.matrix == nullptr) {
      SLUICE_TRY(shift_on(queue, task));
      continue;
    }
    const Matrix to = task.to;
    if (block.mean != nullptr) {
      const auto elements = static_cast<std::size_t>(rows.rows * block.columns);
      float* const centred = SLUICE_TRY(room_for<float>(queue, elements));
      task.to = {centred, rows.rows, block.columns, block.columns};
      SLUICE_TRY(shift_on(queue, task));
      task.from = task.to;
    }
    SLUICE_TRY(multiply_on(queue, task.from, block.matrix, to));
  }
  return {};
}

Status unproject_on(DeviceQueue& queue, std::span<const LinearBlock> blocks,
                    ConstMatrix transformed, Matrix rows) {
  for (const LinearBlock& block : blocks) {
    ShiftTask task{.from = columns_of(transformed, block.out_first, block.rank),
                   .to = columns_of(rows, block.first, block.columns)};
    if (block.matrix != nullptr) {
      SLUICE_TRY(multiply_on(queue, task.from, block.matrix, task.to));
      task.from = task.to;
    }
    if (block.mean != nullptr) {
      task.vector = SLUICE_TRY(floats_on(queue, block.mean, block.columns));
      task.shift = Shift::kPlus;
    }
    if (block.matrix == nullptr || block.mean != nullptr) SLUICE_TRY(shift_on(queue, task));
  }
  return {};
}

#if !defined(SLUICE_CUDA)
Status shift_on_cuda(const ShiftTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
