// SPDX-License-Identifier: Apache-2.0
// Round to nearest in groups, for both blocks. One block of lanes per group of a token, or per 32
// channels of a group of tokens. The arithmetic here is the format's: tuned code gives these bits.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/core/block.hpp"
#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

// Values are rows * columns floats, row i at values + i * stride; symbols are [rows][columns].
// A line is a row (groups along its channels) or `group` rows (a group per channel), and has
// line_entries() groups. side: per line their scales, then their zeros unless symmetric; BF16.
struct RtnTask {
  float* values = nullptr;  // encoding only reads them
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
  std::uint8_t* symbols = nullptr;  // decoding only reads them
  std::byte* side = nullptr;        // decoding only reads it
  std::int64_t group = 0;
  std::int32_t bits = 0;
  bool is_along_tokens = false;  // groups of rows within a column
  bool is_symmetric = false;

  SLUICE_HOST_DEVICE std::int64_t line_entries() const {
    return is_along_tokens ? columns : (columns + group - 1) / group;
  }
  SLUICE_HOST_DEVICE std::int64_t lines() const {
    return is_along_tokens ? (rows + group - 1) / group : rows;
  }
  SLUICE_HOST_DEVICE std::int64_t side_bytes() const {
    return lines() * line_entries() * (is_symmetric ? 2 : 4);
  }
  SLUICE_HOST_DEVICE std::byte* scale_at(std::int64_t line, std::int64_t entry) const {
    return side + (line * line_entries() * (is_symmetric ? 1 : 2) + entry) * 2;
  }
  SLUICE_HOST_DEVICE std::byte* zero_at(std::int64_t line, std::int64_t entry) const {
    return scale_at(line, entry) + line_entries() * 2;
  }
};

// A group's numbers: value = zero + symbol * scale.
struct RtnScale {
  float scale = 0.0F;    // a BF16 number, 0 or at least 2^-126
  float zero = 0.0F;     // a BF16 number, or -2^(bits-1) * scale
  float inverse = 0.0F;  // 1 / scale, or 0
  float offset = 0.0F;   // zero * inverse
};

inline constexpr float kBf16Max = 0x1.fep127F;
inline constexpr float kRtnScaleMin = 0x1p-126F;  // no subnormal scales: their inverse overflows
// Taken off a step before it is rounded up, so that what FP32 added does not cost a BF16 step.
inline constexpr float kRtnStepSlack = 0x1p-20F;
// Adding it rounds a number of [0, 2^22] to the nearest integer, ties to even, into the low bits.
inline constexpr float kRoundingShift = 0x1p23F;

// 2^power for a power in [-126, 127].
SLUICE_HOST_DEVICE inline float power_of_two(std::int32_t power) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(power + 127) << 23);
}

SLUICE_HOST_DEVICE inline float within_bf16(float value) {
  return value < -kBf16Max ? -kBf16Max : (value > kBf16Max ? kBf16Max : value);
}

// The nearest BF16 number that is not above a number within BF16's range. Never -0.
SLUICE_HOST_DEVICE inline float bf16_at_most(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + ((bits >> 31) != 0 ? 0xffffU : 0U);
  return std::bit_cast<float>(rounded & 0xffff0000U) + 0.0F;
}

// Of a group whose smallest and largest values are low and high. The zero is rounded down and the
// scale up, so that no level but a cut one falls outside [0, top].
SLUICE_HOST_DEVICE inline RtnScale rtn_scale(float low, float high, const RtnTask& task) {
  const auto top = static_cast<float>((1 << task.bits) - 1);
  const float half = power_of_two(task.bits - 1);
  RtnScale result;
  float step = 0.0F;
  if (task.is_symmetric) {
    const float largest = -low < high ? high : -low;
    step = largest * (1.0F / (half - 1.0F));
  } else {
    // Not (high - zero) / top: the difference may overflow.
    const float share = 1.0F / top;
    result.zero = bf16_at_most(within_bf16(low));
    step = within_bf16(high) * share - result.zero * share;
  }
  step = step - step * kRtnStepSlack;
  // With steps up to 2^(128 - bits), top * step is finite; what a group has beyond it is cut.
  const float step_max = power_of_two(127 - task.bits) * 2.0F;
  step = step < step_max ? step : step_max;
  step = step >= kRtnScaleMin ? step : 0.0F;
  std::uint32_t bits = (std::bit_cast<std::uint32_t>(step) + 0xffffU) & 0xffff0000U;
  result.scale = std::bit_cast<float>(bits);
  if (task.is_symmetric) result.zero = -half * result.scale;
  // Rounding up must not make an infinity of BF16's largest numbers.
  if (result.zero + top * result.scale > kBf16Max) bits -= 0x10000U;
  result.scale = std::bit_cast<float>(bits);
  if (task.is_symmetric) result.zero = -half * result.scale;
  result.inverse = result.scale > 0.0F ? 1.0F / result.scale : 0.0F;
  result.offset = result.zero * result.inverse;
  return result;
}

SLUICE_HOST_DEVICE inline std::uint8_t rtn_symbol(float value, const RtnScale& scale, float top) {
  float level = value * scale.inverse - scale.offset;
  level = level > 0.0F ? level : 0.0F;  // a NaN too
  level = level < top ? level : top;
  return static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(level + kRoundingShift) & 0xffU);
}

SLUICE_HOST_DEVICE inline float rtn_value(std::uint8_t symbol, const RtnScale& scale) {
  return static_cast<float>(symbol) * scale.scale + scale.zero;
}

SLUICE_HOST_DEVICE inline void store_bf16(std::byte* at, float value) {
  const std::uint16_t bits = bf16_from_f32(value);
  at[0] = static_cast<std::byte>(bits & 0xffU);
  at[1] = static_cast<std::byte>(bits >> 8);
}

SLUICE_HOST_DEVICE inline float load_bf16(const std::byte* at) {
  return f32_from_bf16(static_cast<std::uint16_t>(static_cast<unsigned>(at[0]) |
                                                  (static_cast<unsigned>(at[1]) << 8)));
}

// What the decoder knows of a group: no inverse.
SLUICE_HOST_DEVICE inline RtnScale rtn_read(const RtnTask& task, std::int64_t line,
                                            std::int64_t entry) {
  RtnScale result;
  result.scale = load_bf16(task.scale_at(line, entry));
  result.zero = task.is_symmetric ? -power_of_two(task.bits - 1) * result.scale
                                  : load_bf16(task.zero_at(line, entry));
  return result;
}

SLUICE_HOST_DEVICE inline void rtn_write(const RtnTask& task, std::int64_t line, std::int64_t entry,
                                         const RtnScale& scale) {
  store_bf16(task.scale_at(line, entry), scale.scale);
  if (!task.is_symmetric) store_bf16(task.zero_at(line, entry), scale.zero);
}

// Grid: lines * line_entries. The lanes share a token's group.
template <bool kIsEncoder>
struct RtnTokenBody {
  RtnTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const std::int64_t line = block.index() / task.line_entries();
    const std::int64_t entry = block.index() % task.line_entries();
    const std::int64_t first = entry * task.group;
    const std::int64_t left = task.columns - first;
    const std::int64_t count = left < task.group ? left : task.group;
    float* values = task.values + line * task.stride + first;
    std::uint8_t* symbols = task.symbols + line * task.columns + first;
    if constexpr (kIsEncoder) {
      constexpr float kLeast = -3.402823466e+38F;
      const float high =
          block.reduce_max(count, kLeast, [values](std::int64_t i) { return values[i]; });
      const float low =
          -block.reduce_max(count, kLeast, [values](std::int64_t i) { return -values[i]; });
      const RtnScale scale = rtn_scale(low, high, task);
      const auto top = static_cast<float>((1 << task.bits) - 1);
      const RtnTask& to = task;
      block.each(count, [values, symbols, scale, top, line, entry, &to](std::int64_t i) {
        if (i == 0) rtn_write(to, line, entry, scale);
        symbols[i] = rtn_symbol(values[i], scale, top);
      });
    } else {
      const RtnScale scale = rtn_read(task, line, entry);
      block.each(count, [values, symbols, scale](std::int64_t i) {
        values[i] = rtn_value(symbols[i], scale);
      });
    }
  }
};

// Grid: lines * ceil(columns / 32). A lane has a channel and walks its tokens.
template <bool kIsEncoder>
struct RtnChannelBody {
  RtnTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const std::int64_t parts = (task.columns + kBlockLanes - 1) / kBlockLanes;
    const std::int64_t line = block.index() / parts;
    const std::int64_t first = block.index() % parts * kBlockLanes;
    const std::int64_t left = task.columns - first;
    const RtnTask& of = task;
    block.each(left < kBlockLanes ? left : kBlockLanes, [first, line, &of](std::int64_t lane) {
      const std::int64_t row_first = line * of.group;
      const std::int64_t row_last = of.rows - row_first < of.group ? of.rows : row_first + of.group;
      column(of, line, first + lane, row_first, row_last);
    });
  }

 private:
  SLUICE_HOST_DEVICE static void column(const RtnTask& task, std::int64_t line, std::int64_t c,
                                        std::int64_t row_first, std::int64_t row_last) {
    float* values = task.values + c;
    std::uint8_t* symbols = task.symbols + c;
    if constexpr (kIsEncoder) {
      float low = 3.402823466e+38F;
      float high = -3.402823466e+38F;
      for (std::int64_t r = row_first; r < row_last; ++r) {
        const float value = values[r * task.stride];
        low = value < low ? value : low;
        high = high < value ? value : high;
      }
      const RtnScale scale = rtn_scale(low, high, task);
      const auto top = static_cast<float>((1 << task.bits) - 1);
      rtn_write(task, line, c, scale);
      for (std::int64_t r = row_first; r < row_last; ++r) {
        symbols[r * task.columns] = rtn_symbol(values[r * task.stride], scale, top);
      }
    } else {
      const RtnScale scale = rtn_read(task, line, c);
      for (std::int64_t r = row_first; r < row_last; ++r) {
        values[r * task.stride] = rtn_value(symbols[r * task.columns], scale);
      }
    }
  }
};

// Calls run(grid, body) with the body for `task`.
template <bool kIsEncoder, class Run>
auto with_rtn_body(const RtnTask& task, Run run) {
  if (task.is_along_tokens) {
    const std::int64_t parts = (task.columns + kBlockLanes - 1) / kBlockLanes;
    return run(task.lines() * parts, RtnChannelBody<kIsEncoder>{task});
  } else {
    return run(task.lines() * task.line_entries(), RtnTokenBody<kIsEncoder>{task});
  }
}

}  // namespace sluice::kernels
