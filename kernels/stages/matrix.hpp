// SPDX-License-Identifier: Apache-2.0
// A borrowed FP32 matrix: rows are tokens, columns are channels. What stages hand to each other.
#pragma once

#include <cstdint>

namespace sluice::kernels {

// Row i starts at data + i * stride.
struct ConstMatrix {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;

  const float* row(std::int64_t i) const { return data + i * stride; }
};

struct Matrix {
  float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;

  float* row(std::int64_t i) const { return data + i * stride; }
  operator ConstMatrix() const { return {data, rows, columns, stride}; }  // NOLINT: only a view
};

}  // namespace sluice::kernels
