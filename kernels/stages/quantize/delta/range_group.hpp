// SPDX-License-Identifier: Apache-2.0
// A run of numbers as integers between its least and its most, with zero and scale in BF16.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

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
    // Divided first: the difference of two large numbers may not be a number.
    return {bf16_from_f32(least), bf16_from_f32(most / symbol_max - least / symbol_max)};
  }

  std::uint8_t symbol(float value, float symbol_max) const {
    const float step = f32_from_bf16(scale);
    if (step == 0.0F) return 0;
    const float at = std::rint((value - f32_from_bf16(zero)) / step);
    return static_cast<std::uint8_t>(std::min(std::max(at, 0.0F), symbol_max));
  }

  float value(std::uint8_t symbol) const {
    return f32_from_bf16(zero) + static_cast<float>(symbol) * f32_from_bf16(scale);
  }
};

}  // namespace sluice::kernels
