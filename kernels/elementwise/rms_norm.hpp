// SPDX-License-Identifier: Apache-2.0
// Root-mean-square normalisation (arXiv 1910.07467), alone or after adding to the residual stream.
#pragma once

#include <cstdint>

#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

struct RmsNorm {
  const float* weight = nullptr;  // `width` factors
  std::int64_t width = 0;
  float epsilon = 0;  // added to the mean of squares
};

// out = x / sqrt(mean(x^2) + epsilon) * weight, row by row; sums in FP32. `out` may be `x`.
void rms_norm(const RmsNorm& norm, std::int64_t rows, ConstRows x, Rows out);

// residual += delta, then out = rms_norm(residual).
void add_rms_norm(const RmsNorm& norm, std::int64_t rows, ConstRows delta, Rows residual, Rows out);

}  // namespace sluice::kernels
