// SPDX-License-Identifier: Apache-2.0
// One group of rows within one segment of columns: a shift, a scale, and symbols of 2, 4 or 8 bits.
#pragma once

#include <cstdint>

#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// Neighbouring columns of one layer that share bits and, group by group of rows, shift and scale.
struct KvtcSegment {
  std::int32_t first = 0;
  std::int32_t columns = 0;
  std::int32_t bits = 0;  // 0: decoded as zeros
};

// BF16: a symbol q stands for shift + q * scale, product and sum rounded to FP32.
struct KvtcRange {
  std::uint16_t shift = 0;
  std::uint16_t scale = 0;
};

// The least value and (largest - shift) / (2^bits - 1), rounded to BF16. `rows`: the segment's
// columns of a group, at least one row.
KvtcRange kvtc_range(ConstMatrix rows, std::int32_t bits);

// Symbol: (x - shift) / scale, between 0 and 2^bits - 1, to the nearest even. `stride` between
// rows.
void kvtc_quantize(ConstMatrix rows, std::int32_t bits, KvtcRange range, std::uint8_t* symbols,
                   std::int64_t stride);
void kvtc_dequantize(const std::uint8_t* symbols, std::int64_t stride, KvtcRange range,
                     Matrix rows);

}  // namespace sluice::kernels
