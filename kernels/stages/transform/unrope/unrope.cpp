// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/unrope/unrope.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>

#include "kernels/core/check.hpp"
#include "kernels/stages/transform/unrope/unrope_device.hpp"

namespace sluice::kernels {
namespace {

enum class Turn { kBack, kAgain };

// K's task without a tile; pairs is 0 where nothing turns: V, and models without RoPE.
struct Turning {
  UnropeTask task;  // of a joint plane: of one layer
  std::span<const std::int32_t> positions;
  std::int64_t layers = 0;  // of a joint plane
};

Turning turning(const Plane& plane, Turn direction) {
  const RopeAngles& rope = plane.shape->rope;
  Turning result;
  UnropeTask& task = result.task;
  task.heads = plane.layer_count * plane.head_count;
  task.head_dim = plane.shape->head_dim;
  result.positions = plane.positions;
  if (plane.half == KvHalf::kValue) return result;
  if (plane.is_joint()) {
    result.layers = plane.layer_count;
    task.heads = plane.head_count;
  }
  task.radians = rope.radians_per_position.data();
  task.pairs = static_cast<std::int64_t>(rope.radians_per_position.size());
  task.is_interleaved = rope.is_interleaved;
  // The factor came in with the cosine and the sine, and goes out with them.
  const double factor = rope.attention_factor;
  task.cosine_scale = direction == Turn::kBack ? 1.0 / factor : factor;
  task.sine_scale = direction == Turn::kBack ? -1.0 / factor : factor;
  return result;
}

UnropeTask task_of(const Turning& turning, ConstMatrix from, Matrix to) {
  UnropeTask task = turning.task;
  task.from = from.data;
  task.from_stride = from.stride;
  task.to = to.data;
  task.to_stride = to.stride;
  task.rows = from.rows;
  return task;
}

// All rows of the plane, which is not joint.
Status run_on(DeviceQueue& queue, const Turning& turning, ConstMatrix from, Matrix to) {
  if (turning.layers > 0) return no_device_code();
  UnropeTask task = task_of(turning, from, to);
  task.positions = SLUICE_TRY(upload(queue, turning.positions));
  task.radians =
      SLUICE_TRY(upload(queue, std::span(task.radians, static_cast<std::size_t>(task.pairs))));
  if (queue.is_cuda()) return unrope_on_cuda(task, queue.stream());
  run_on_host(task.rows, UnropeBody{task});
  return {};
}

void run(const Turning& turning, std::int64_t row_first, ConstMatrix from, Matrix to) {
  UnropeTask task = task_of(turning, from, to);
  if (task.pairs == 0) {
    for (std::int64_t row = 0; row < from.rows; ++row) {
      std::copy_n(from.row(row), from.columns, to.row(row));
    }
    return;
  }
  SLUICE_CHECK(row_first >= 0 &&
                   row_first + from.rows <= static_cast<std::int64_t>(turning.positions.size()),
               "a tile outside the plane");
  task.positions = turning.positions.data() + row_first;
  if (turning.layers == 0) return unrope_on_host(task);
  // Of a joint plane, every other part turns.
  const std::int64_t part = task.heads * task.head_dim;
  for (std::int64_t layer = 0; layer < turning.layers; ++layer) {
    unrope_on_host(task);
    for (std::int64_t row = 0; row < task.rows; ++row) {
      std::copy_n(task.from + row * task.from_stride + part, part,
                  task.to + row * task.to_stride + part);
    }
    task.from += 2 * part;
    task.to += 2 * part;
  }
}

class ForwardPlan final : public TransformPlan {
 public:
  explicit ForwardPlan(const Plane& plane)
      : turning_(turning(plane, Turn::kBack)), columns_(plane.columns()) {}
  std::int64_t columns() const override { return columns_; }
  void forward(std::int64_t row_first, ConstMatrix rows, Matrix transformed) override {
    run(turning_, row_first, rows, transformed);
  }
  Status forward_on(DeviceQueue& queue, ConstMatrix rows, Matrix transformed) override {
    return run_on(queue, turning_, rows, transformed);
  }

 private:
  Turning turning_;
  std::int64_t columns_;
};

class BackwardPlan final : public InversePlan {
 public:
  explicit BackwardPlan(const Plane& plane)
      : turning_(turning(plane, Turn::kAgain)), columns_(plane.columns()) {}
  std::int64_t columns() const override { return columns_; }
  void inverse(std::int64_t row_first, ConstMatrix transformed, Matrix rows) override {
    run(turning_, row_first, transformed, rows);
  }
  Status inverse_on(DeviceQueue& queue, ConstMatrix transformed, Matrix rows) override {
    return run_on(queue, turning_, transformed, rows);
  }

 private:
  Turning turning_;
  std::int64_t columns_;
};

Status check(const Plane& plane, std::int64_t columns) {
  if (columns != plane.columns()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "stage 'unrope' must come before transforms that change the columns");
  }
  const auto pairs = static_cast<std::int64_t>(plane.shape->rope.radians_per_position.size());
  if (2 * pairs > plane.shape->head_dim) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the model turns more pairs than its heads have elements for");
  }
  const double factor = plane.shape->rope.attention_factor;
  if (!(factor > 0)) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the model's attention factor must be above 0 to undo RoPE");
  }
  return {};
}

class UnropeStage final : public TransformStage {
 public:
  bool takes_joint_planes() const override { return true; }
  Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                      ConstMatrix /*all*/,
                                                      ByteWriter& /*side*/) const override {
    SLUICE_TRY(check(plane, columns));
    return std::unique_ptr<TransformPlan>(std::make_unique<ForwardPlan>(plane));
  }
  Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                    ByteReader& /*side*/) const override {
    SLUICE_TRY(check(plane, columns));
    return std::unique_ptr<InversePlan>(std::make_unique<BackwardPlan>(plane));
  }
};

Result<std::unique_ptr<Stage>> create(const Parameters& /*parameters*/) {
  return std::unique_ptr<Stage>(std::make_unique<UnropeStage>());
}

}  // namespace

StageRow unrope_row() {
  return {.id = 110,
          .name = "unrope",
          .role = StageRole::kTransform,
          .version = 1,
          .parameters = {},
          .summary = "K as it was before RoPE (arXiv 2104.09864); V passes",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
