// SPDX-License-Identifier: Apache-2.0
// A run of numbers as integers between its least and its most, with zero and scale in BF16.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

inline constexpr float kBf16Most = 0x1.fep127F;  // the largest finite BF16 number

// Of a number within FP32 that is finite in BF16 too.
inline float within_bf16_range(float value) {
  return std::min(std::max(value, -kBf16Most), kBf16Most);
}

// What is written to the side stream, and all that decoding a run needs.
struct RangeGroup {
  std::uint16_t zero = 0;   // BF16
  std::uint16_t scale = 0;  // BF16

  static RangeGroup of(const float* values, std::int64_t count, float symbol_max) {
    float least = values[0];
    float most = values[0];
    for (std::int64_t i = 1; i < count; ++i) {
      least = std::min(least, values[i]);
      most = std::max(most, values[i]);
    }
    least = within_bf16_range(least);
    most = within_bf16_range(most);
    // Divided first: the difference of two large numbers may be infinite. So may the largest
    // symbol's value where numbers of both signs are large: what is above it is cut.
    const float step = most / symbol_max - least / symbol_max;
    return {bf16_from_f32(least), bf16_from_f32(std::min(step, kBf16Most / symbol_max))};
  }

  std::uint8_t symbol(float value, float symbol_max) const {
    const float step = f32_from_bf16(scale);
    if (step == 0.0F) return 0;
    const float at = std::rint((value - f32_from_bf16(zero)) / step);
    const float least = at > 0.0F ? at : 0.0F;  // a NaN too
    return static_cast<std::uint8_t>(least < symbol_max ? least : symbol_max);
  }

  float value(std::uint8_t symbol) const {
    return f32_from_bf16(zero) + static_cast<float>(symbol) * f32_from_bf16(scale);
  }
};

}  // namespace sluice::kernels
