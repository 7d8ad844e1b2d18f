// SPDX-License-Identifier: Apache-2.0
// Plain loops over a few columns at a time: compilers make vectors of them, and each column's
// operations are what they are without.
#include "kernels/stages/quantize/kvtc/segment_rows.hpp"

#include <algorithm>
#include <cstddef>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

// Columns handled side by side: four SSE registers' worth.
constexpr std::int64_t kSide = 16;

// Added to a number in [0, 2^22) and taken away, it rounds to the nearest integer, ties to even.
constexpr float kRound = 0x1.8p+23F;

inline float smaller(float a, float b) { return a < b ? a : b; }
inline float larger(float a, float b) { return a < b ? b : a; }

struct Extremes {
  float least;
  float most;
};

Extremes extremes(ConstMatrix rows) {
  float least[kSide];
  float most[kSide];
  std::fill_n(least, kSide, rows.row(0)[0]);
  std::fill_n(most, kSide, rows.row(0)[0]);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const float* row = rows.row(r);
    std::int64_t c = 0;
    for (; c + kSide <= rows.columns; c += kSide) {
      for (std::int64_t i = 0; i < kSide; ++i) {
        least[i] = smaller(row[c + i], least[i]);
        most[i] = larger(most[i], row[c + i]);
      }
    }
    for (; c < rows.columns; ++c) {
      least[0] = smaller(row[c], least[0]);
      most[0] = larger(most[0], row[c]);
    }
  }
  for (std::int64_t i = 1; i < kSide; ++i) {
    least[0] = smaller(least[i], least[0]);
    most[0] = larger(most[0], most[i]);
  }
  return {least[0], most[0]};
}

}  // namespace

KvtcRange kvtc_range(ConstMatrix rows, std::int32_t bits) {
  const Extremes found = extremes(rows);
  KvtcRange range;
  range.shift = bf16_from_f32(found.least);
  const float width = found.most - f32_from_bf16(range.shift);
  range.scale = bf16_from_f32(larger(width, 0.0F) / static_cast<float>((1 << bits) - 1));
  return range;
}

void kvtc_quantize(ConstMatrix rows, std::int32_t bits, KvtcRange range, std::uint8_t* symbols,
                   std::int64_t stride) {
  const float shift = f32_from_bf16(range.shift);
  const float scale = f32_from_bf16(range.scale);
  const auto most = static_cast<float>((1 << bits) - 1);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const float* row = rows.row(r);
    std::uint8_t* to = symbols + r * stride;
    if (!(scale > 0)) {
      std::fill_n(to, rows.columns, std::uint8_t{0});
      continue;
    }
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      float level = (row[c] - shift) / scale;
      level = level > 0.0F ? level : 0.0F;  // a NaN too
      level = level < most ? level : most;
      to[c] = static_cast<std::uint8_t>(static_cast<std::int32_t>((level + kRound) - kRound));
    }
  }
}

void kvtc_dequantize(const std::uint8_t* symbols, std::int64_t stride, KvtcRange range,
                     Matrix rows) {
  const float shift = f32_from_bf16(range.shift);
  const float scale = f32_from_bf16(range.scale);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const std::uint8_t* from = symbols + r * stride;
    float* row = rows.row(r);
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      row[c] = shift + static_cast<float>(from[c]) * scale;
    }
  }
}

}  // namespace sluice::kernels
