// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/projection.hpp"

#include <algorithm>
#include <utility>

#include "kernels/stages/transform/linear_algebra/multiply.hpp"
#include "kernels/stages/transform/linear_algebra/projection_device.hpp"

namespace sluice::kernels {
namespace {

ConstMatrix columns_of(ConstMatrix rows, std::int64_t first, std::int64_t count) {
  return {rows.data + first, rows.rows, count, rows.stride};
}

Matrix columns_of(const Matrix& rows, std::int64_t first, std::int64_t count) {
  return {rows.data + first, rows.rows, count, rows.stride};
}

void copy(ConstMatrix from, const Matrix& to) {
  for (std::int64_t row = 0; row < from.rows; ++row) {
    std::copy_n(from.row(row), from.columns, to.row(row));
  }
}

std::int64_t width(const std::vector<LinearBlock>& blocks) {
  std::int64_t columns = 0;
  for (const LinearBlock& block : blocks) columns += block.rank;
  return columns;
}

class ForwardPlan final : public TransformPlan {
 public:
  explicit ForwardPlan(std::vector<LinearBlock> blocks) : blocks_(std::move(blocks)) {}
  std::int64_t columns() const override { return width(blocks_); }

  void forward(std::int64_t /*row_first*/, ConstMatrix rows, Matrix transformed) override {
    for (const LinearBlock& block : blocks_) {
      ConstMatrix from = columns_of(rows, block.first, block.columns);
      const Matrix to = columns_of(transformed, block.out_first, block.rank);
      if (block.mean != nullptr) from = centred(from, block.mean);
      if (block.matrix == nullptr) {
        copy(from, to);
      } else {
        multiply(from, {block.matrix, block.columns, block.rank, block.rank}, to);
      }
    }
  }
  Status forward_on(DeviceQueue& queue, ConstMatrix rows, Matrix transformed) override {
    return project_on(queue, blocks_, rows, transformed);
  }

 private:
  ConstMatrix centred(ConstMatrix rows, const float* mean) {
    centred_.resize(static_cast<std::size_t>(rows.rows * rows.columns));
    const Matrix result{centred_.data(), rows.rows, rows.columns, rows.columns};
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const float* from = rows.row(row);
      float* to = result.row(row);
      for (std::int64_t c = 0; c < rows.columns; ++c) to[c] = from[c] - mean[c];
    }
    return result;
  }

  std::vector<LinearBlock> blocks_;
  std::vector<float> centred_;
};

class BackwardPlan final : public InversePlan {
 public:
  explicit BackwardPlan(std::vector<LinearBlock> blocks) : blocks_(std::move(blocks)) {}
  std::int64_t columns() const override { return width(blocks_); }

  void inverse(std::int64_t /*row_first*/, ConstMatrix transformed, Matrix rows) override {
    for (const LinearBlock& block : blocks_) {
      const ConstMatrix from = columns_of(transformed, block.out_first, block.rank);
      const Matrix to = columns_of(rows, block.first, block.columns);
      if (block.matrix == nullptr) {
        copy(from, to);
      } else {
        multiply(from, {block.matrix, block.rank, block.columns, block.columns}, to);
      }
      if (block.mean == nullptr) continue;
      for (std::int64_t row = 0; row < to.rows; ++row) {
        float* values = to.row(row);
        for (std::int64_t c = 0; c < to.columns; ++c) values[c] = values[c] + block.mean[c];
      }
    }
  }
  Status inverse_on(DeviceQueue& queue, ConstMatrix transformed, Matrix rows) override {
    return unproject_on(queue, blocks_, transformed, rows);
  }

 private:
  std::vector<LinearBlock> blocks_;
};

}  // namespace

void LinearBlock::own(std::vector<float> values) {
  owned = std::move(values);
  matrix = owned.data();
}

std::vector<float> transposed(const float* source, std::int64_t rank, std::int64_t columns) {
  std::vector<float> result(static_cast<std::size_t>(rank * columns));
  for (std::int64_t r = 0; r < rank; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      result[static_cast<std::size_t>(c * rank + r)] = source[r * columns + c];
    }
  }
  return result;
}

std::unique_ptr<TransformPlan> make_forward(std::vector<LinearBlock> blocks) {
  return std::make_unique<ForwardPlan>(std::move(blocks));
}

std::unique_ptr<InversePlan> make_inverse(std::vector<LinearBlock> blocks) {
  return std::make_unique<BackwardPlan>(std::move(blocks));
}

}  // namespace sluice::kernels
