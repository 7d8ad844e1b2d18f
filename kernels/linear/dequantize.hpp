// SPDX-License-Identifier: Apache-2.0
// Stored weights to FP32, exactly: what the file means, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.hpp"
#include "kernels/core/tensor_view.hpp"

namespace sluice::kernels {

// F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K: the types weights may have.
bool is_weight_dtype(DType dtype);

// Rows of `weights`: the product of all axes but the last (1 for a vector).
std::int64_t weight_rows(const TensorView& weights);

// Elements of a row: the last axis.
std::int64_t weight_columns(const TensorView& weights);

// Bytes of a row of `columns` elements, which must be whole blocks of `dtype`.
std::size_t row_bytes(DType dtype, std::int64_t columns);

// Rows [first_row, first_row + rows) to `out`, rows * columns floats. The dtype must be a weight
// dtype, the columns whole blocks and the rows within the tensor: anything else aborts.
void dequantize(const TensorView& weights, std::int64_t first_row, std::int64_t rows, float* out);

// The scale and minimum of group `group` (0..7) in the 12 packed bytes of a Q4_K or Q5_K block:
// six bits each, the upper two of groups 4..7 kept in the bytes of groups 0..3.
struct GroupScale {
  std::uint8_t scale = 0;
  std::uint8_t minimum = 0;
};
inline GroupScale group_scale(const std::uint8_t* packed, int group) {
  if (group < 4) {
    return {static_cast<std::uint8_t>(packed[group] & 63U),
            static_cast<std::uint8_t>(packed[group + 4] & 63U)};
  }
  const unsigned both = packed[group + 4];
  return {static_cast<std::uint8_t>((both & 15U) | ((packed[group - 4] >> 2) & 48U)),
          static_cast<std::uint8_t>((both >> 4) | ((packed[group] >> 2) & 48U))};
}

}  // namespace sluice::kernels
