// SPDX-License-Identifier: Apache-2.0
// Matrix products whose bits are the same on every machine: the only ones that frames may use.
//
// out[r][c] is the sum over k, in ascending order, of a[r][k] * b[k][c]: a product, rounded, and a
// sum, rounded, never fused. Columns are independent, so they are what vectors hold; how the work
// is cut into blocks changes nothing. One thread. `out` overlaps neither factor.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// As ConstMatrix and Matrix, in FP64.
struct ConstMatrix64 {
  const double* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
};
struct Matrix64 {
  double* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;

  operator ConstMatrix64() const { return {data, rows, columns, stride}; }  // NOLINT: only a view
};

// A factor that is kept as BF16.
struct Bf16 {
  std::uint16_t bits;
  operator float() const {  // NOLINT: exact
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};
struct ConstMatrixBf16 {
  const Bf16* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
};

// a [R][K], b [K][C], out [R][C].
void multiply(ConstMatrix a, ConstMatrix b, Matrix out);
void multiply(ConstMatrix a, ConstMatrixBf16 b, Matrix out);
// Each sum begins with what `out` holds.
void multiply_add(ConstMatrix a, ConstMatrix b, Matrix out);
void multiply_add(ConstMatrix a, ConstMatrixBf16 b, Matrix out);
void multiply(ConstMatrix64 a, ConstMatrix64 b, Matrix64 out);

// a [R][K], b [C][K]: a times b's transpose.
void multiply_transposed(ConstMatrix a, ConstMatrix b, Matrix out);
void multiply_transposed(ConstMatrix64 a, ConstMatrix64 b, Matrix64 out);

// a [K][R], b [K][C]: a's transpose times b.
void transposed_multiply(ConstMatrix a, ConstMatrix b, Matrix out);

// Adds a's transpose times a to sum [C][C]; products and sums in FP64.
void add_gram(ConstMatrix a, Matrix64 sum);

}  // namespace sluice::kernels
