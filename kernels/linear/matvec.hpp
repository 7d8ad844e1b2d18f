// SPDX-License-Identifier: Apache-2.0
// Weights as stored, times a few FP32 vectors: the product of the decode path, bound by how fast
// weights can be read. Single-threaded; callers share out the rows.
#pragma once

#include <cstdint>

#include "kernels/core/tensor_view.hpp"

namespace sluice::kernels {

// `count` vectors of the weights' columns each, dense, row-major.
struct Activations {
  const float* data = nullptr;
  std::int64_t count = 0;
};

struct RowRange {
  std::int64_t first = 0;
  std::int64_t last = 0;  // exclusive
};

// y[m * y_stride + n - rows.first] = sum over k of x[m][k] * W[n][k], for n in `rows`.
//
// W is any weight dtype (dequantize.hpp), read once for up to 16 vectors; products and sums are
// FP32 on exactly dequantized weights. An output depends on its own row and vector alone: not on
// the range, nor on the other vectors. Rows outside the tensor and other dtypes abort.
void matvec(const TensorView& weights, RowRange rows, Activations x, float* y,
            std::int64_t y_stride);

}  // namespace sluice::kernels
