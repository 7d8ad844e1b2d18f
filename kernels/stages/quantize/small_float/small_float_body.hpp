// SPDX-License-Identifier: Apache-2.0
// Floats of 8 and 4 bits (OCP: E4M3 and E2M1) with a scale per group of a token's channels, for
// both blocks; one block of lanes per group. The arithmetic here is the formats'.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/core/block.hpp"
#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

enum class SmallFloatFormat : std::uint8_t {
  kFp8,    // E4M3; scale in BF16
  kMxFp4,  // E2M1; scale 2^(byte - 127), E8M0
  kNvFp4,  // E2M1; scale in E4M3 times one FP32 number of the plane
};

// Sign, exponent, kMantissa bits; subnormals below 2^kExponentMin; nothing infinite.
template <int kMantissa, int kExponentMin, int kSign, int kLargest>
struct SmallFloat {
  static constexpr float kMax = static_cast<float>(kLargest);
  static constexpr int kShift = 23 - kMantissa;
  static constexpr float kNormalMin =
      std::bit_cast<float>(static_cast<std::uint32_t>(127 + kExponentMin) << 23);
  // Added to a subnormal, it leaves the nearest code in the low bits.
  static constexpr float kSubnormalShift =
      std::bit_cast<float>(static_cast<std::uint32_t>(127 + kShift + kExponentMin) << 23);
  static constexpr std::uint32_t kBias = static_cast<std::uint32_t>(126 + kExponentMin)
                                         << kMantissa;
  static constexpr std::uint32_t kCodes = 1U << kSign;  // of one sign
  static constexpr std::uint32_t kNormalCodes = 1U << kMantissa;
  static constexpr int kSignShift = 31 - kSign;

  // Nearest, ties to even; what is larger than kMax saturates, a NaN too.
  SLUICE_HOST_DEVICE static std::uint8_t encode(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    float size = std::bit_cast<float>(bits & 0x7fffffffU);
    size = size < kMax ? size : kMax;
    const auto normal = std::bit_cast<std::uint32_t>(size);
    const std::uint32_t rounding = (1U << (kShift - 1)) - 1 + ((normal >> kShift) & 1U);
    const std::uint32_t code = size < kNormalMin
                                   ? std::bit_cast<std::uint32_t>(size + kSubnormalShift) & 0xffU
                                   : ((normal + rounding) >> kShift) - kBias;
    return static_cast<std::uint8_t>(code | ((bits >> kSignShift) & kCodes));
  }

  // E4M3's NaN (exponent and mantissa all ones) reads as 480.
  SLUICE_HOST_DEVICE static float decode(std::uint32_t code) {
    const std::uint32_t magnitude = code & (kCodes - 1);
    const bool is_subnormal = magnitude < kNormalCodes;
    // A subnormal is read with an implied one, which is then taken off.
    const std::uint32_t bits =
        ((magnitude + kBias) << kShift) + (is_subnormal ? std::uint32_t{1} << 23 : 0U);
    const float size = std::bit_cast<float>(bits) - (is_subnormal ? kNormalMin : 0.0F);
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(size) |
                                ((code & kCodes) << kSignShift));
  }
};

using E4M3 = SmallFloat<3, -6, 7, 448>;
using E2M1 = SmallFloat<1, 0, 3, 6>;

inline constexpr float kSmallFloatValueMax = 0x1.fep127F;  // BF16's largest number
inline constexpr float kSmallFloatScaleMin = 0x1p-126F;    // below it a scale counts as 0

// Values are rows * columns floats, row i at values + i * stride; symbols are [rows][columns];
// side: row after row, a scale for each group.
struct SmallFloatTask {
  float* values = nullptr;  // encoding only reads them
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  std::uint8_t* symbols = nullptr;  // decoding only reads them
  std::byte* side = nullptr;        // decoding only reads it
  std::int64_t group = 0;
  SmallFloatFormat format = SmallFloatFormat::kFp8;
  float plane_scale = 1.0F;  // kNvFp4

  SLUICE_HOST_DEVICE std::int64_t row_groups() const { return (columns + group - 1) / group; }
  SLUICE_HOST_DEVICE std::int64_t scale_bytes() const {
    return format == SmallFloatFormat::kFp8 ? 2 : 1;
  }
  SLUICE_HOST_DEVICE std::int64_t side_bytes() const { return rows * row_groups() * scale_bytes(); }
  SLUICE_HOST_DEVICE std::byte* scale_at(std::int64_t row, std::int64_t entry) const {
    return side + (row * row_groups() + entry) * scale_bytes();
  }
};

// Reads a group's scale; any byte is taken.
SLUICE_HOST_DEVICE inline float small_float_scale(const SmallFloatTask& task,
                                                  const std::byte* from) {
  const auto byte = static_cast<std::uint32_t>(from[0]);
  if (task.format == SmallFloatFormat::kFp8) {
    return std::bit_cast<float>((byte << 16) | (static_cast<std::uint32_t>(from[1]) << 24));
  }
  if (task.format == SmallFloatFormat::kMxFp4) {
    const std::uint32_t exponent = byte < 254 ? byte : 254;
    return std::bit_cast<float>(exponent == 0 ? 0x00400000U : exponent << 23);
  }
  return E4M3::decode(byte) * task.plane_scale;
}

// Writes the scale of a group whose largest magnitude is given; returns what its values are to be
// multiplied with.
SLUICE_HOST_DEVICE inline float small_float_put_scale(const SmallFloatTask& task, float largest,
                                                      std::byte* to) {
  largest = largest < kSmallFloatValueMax ? largest : kSmallFloatValueMax;
  if (task.format == SmallFloatFormat::kMxFp4) {
    // The largest exponent of E2M1 is 2.
    const std::uint32_t exponent = std::bit_cast<std::uint32_t>(largest) >> 23;
    const std::uint32_t byte = exponent < 2 ? 0 : exponent - 2;
    to[0] = static_cast<std::byte>(byte);
    return std::bit_cast<float>((254U - byte) << 23);
  }
  if (task.format == SmallFloatFormat::kFp8) {
    // Rounded up, so that nothing saturates, unless that would pass the largest number.
    float step = largest * (1.0F / E4M3::kMax);
    step = step >= kSmallFloatScaleMin ? step : 0.0F;
    std::uint32_t bits = (std::bit_cast<std::uint32_t>(step) + 0xffffU) >> 16;
    if (std::bit_cast<float>(bits << 16) * E4M3::kMax > kSmallFloatValueMax) --bits;
    to[0] = static_cast<std::byte>(bits & 0xffU);
    to[1] = static_cast<std::byte>(bits >> 8);
  } else {
    const float inverse = task.plane_scale > 0.0F ? 1.0F / task.plane_scale : 0.0F;
    to[0] = static_cast<std::byte>(E4M3::encode(largest * (1.0F / E2M1::kMax) * inverse));
  }
  const float scale = small_float_scale(task, to);
  return scale >= kSmallFloatScaleMin ? 1.0F / scale : 0.0F;
}

// Grid: rows * row_groups.
template <bool kIsEncoder, class Float>
struct SmallFloatBody {
  SmallFloatTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const std::int64_t row = block.index() / task.row_groups();
    const std::int64_t entry = block.index() % task.row_groups();
    const std::int64_t first = entry * task.group;
    const std::int64_t left = task.columns - first;
    const std::int64_t count = left < task.group ? left : task.group;
    float* values = task.values + row * task.stride + first;
    std::uint8_t* symbols = task.symbols + row * task.columns + first;
    std::byte* side = task.scale_at(row, entry);
    if constexpr (kIsEncoder) {
      const float largest = block.reduce_max(count, 0.0F, [values](std::int64_t i) {
        return values[i] < 0.0F ? -values[i] : values[i];
      });
      // Every lane finds the same; one writes.
      std::byte scratch[2];
      const float inverse = small_float_put_scale(task, largest, scratch);
      const std::int64_t bytes = task.scale_bytes();
      const std::byte low = scratch[0];
      const std::byte high = bytes == 2 ? scratch[1] : std::byte{0};
      block.each(count, [values, symbols, inverse, side, bytes, low, high](std::int64_t i) {
        if (i == 0) {
          side[0] = low;
          if (bytes == 2) side[1] = high;
        }
        symbols[i] = Float::encode(values[i] * inverse);
      });
    } else {
      const float scale = small_float_scale(task, side);
      block.each(count, [values, symbols, scale](std::int64_t i) {
        values[i] = Float::decode(symbols[i]) * scale;
      });
    }
  }
};

// Calls run(grid, body) with the body for `task`.
template <bool kIsEncoder, class Run>
auto with_small_float_body(const SmallFloatTask& task, Run run) {
  const std::int64_t grid = task.rows * task.row_groups();
  if (task.format == SmallFloatFormat::kFp8) {
    return run(grid, SmallFloatBody<kIsEncoder, E4M3>{task});
  } else {
    return run(grid, SmallFloatBody<kIsEncoder, E2M1>{task});
  }
}

}  // namespace sluice::kernels
