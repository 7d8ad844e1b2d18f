// SPDX-License-Identifier: Apache-2.0
// The arithmetic of uniform, and its tuned loops. Numbers beyond the symbols' reach are escaped.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

inline constexpr std::int32_t kUniformReach = 127;  // symbols 0 to 254 are -127 to 127
inline constexpr std::uint8_t kUniformEscape = 255;
inline constexpr float kUniformNumberMax = 0x1p30F;     // larger ones are cut
inline constexpr float kUniformValueMax = 0x1.fep127F;  // BF16's largest number

struct UniformStep {
  float step = 1.0F;
  float inverse = 1.0F;    // 1 / step
  float dead_zone = 0.0F;  // taken off |x| / step before rounding to nearest
  float shrink = 0.0F;     // taken off the magnitudes of numbers when decoding
};

// The integer that stands for a value; 0 for a NaN.
SLUICE_HOST_DEVICE inline std::int32_t uniform_number(float value, const UniformStep& step) {
  const float size = (value < 0.0F ? -value : value) * step.inverse - step.dead_zone;
  float level = size > 0.0F ? size : 0.0F;
  level = level < kUniformNumberMax ? level : kUniformNumberMax;
  // From 2^23 on a float is an integer; below, adding 2^23 rounds to the nearest, ties to even.
  const std::int32_t number = level < 0x1p23F
                                  ? std::bit_cast<std::int32_t>(level + 0x1p23F) - 0x4B000000
                                  : static_cast<std::int32_t>(level);
  return value < 0.0F ? -number : number;
}

SLUICE_HOST_DEVICE inline float uniform_value(std::int32_t number, const UniformStep& step) {
  const auto exact = static_cast<float>(number);
  float size = (exact < 0.0F ? -exact : exact) - step.shrink;
  size = (size > 0.0F ? size : 0.0F) * step.step;
  size = size < kUniformValueMax ? size : kUniformValueMax;
  return number < 0 ? -size : size;
}

// A row's symbols; numbers out of reach become kUniformEscape.
void uniform_encode_row(const UniformStep& step, const float* values, std::size_t count,
                        std::uint8_t* symbols);
// The way back; escapes become some number.
void uniform_decode_row(const UniformStep& step, const std::uint8_t* symbols, std::size_t count,
                        float* values);

}  // namespace sluice::kernels
