// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvtc/bit_allocation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

std::vector<float> falling_rows(std::int64_t rows, std::int64_t columns, float decay) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = normal(generator) *
                std::pow(decay, static_cast<float>(i % static_cast<std::size_t>(columns)));
  }
  return values;
}

std::int64_t bits_of(const std::vector<KvtcSegment>& segments, std::int64_t group_tokens) {
  std::int64_t bits = 0;
  for (const auto& segment : segments) {
    if (segment.bits > 0) bits += segment.columns * segment.bits * group_tokens + 32;
  }
  return bits;
}

// The error that the definition gives for an allocation.
double error_of(ConstMatrix rows, const std::vector<KvtcSegment>& segments, std::int64_t group) {
  double error = 0;
  for (const auto& segment : segments) {
    for (std::int64_t first = 0; first < rows.rows; first += group) {
      const std::int64_t count = std::min(group, rows.rows - first);
      const ConstMatrix part{rows.row(first) + segment.first, count, segment.columns, rows.stride};
      std::vector<std::uint8_t> symbols(static_cast<std::size_t>(count * segment.columns));
      std::vector<float> back(symbols.size(), 0.0F);
      if (segment.bits > 0) {
        const KvtcRange range = kvtc_range(part, segment.bits);
        kvtc_quantize(part, segment.bits, range, symbols.data(), segment.columns);
        kvtc_dequantize(symbols.data(), segment.columns, range,
                        {back.data(), count, segment.columns, segment.columns});
      }
      for (std::int64_t r = 0; r < count; ++r) {
        for (std::int64_t c = 0; c < segment.columns; ++c) {
          const double lost = static_cast<double>(part.row(r)[c]) -
                              back[static_cast<std::size_t>(r * segment.columns + c)];
          error += lost * lost;
        }
      }
    }
  }
  return error;
}

// Every allocation there is, for few blocks.
double best_by_trying(ConstMatrix rows, std::int64_t budget, const KvtcSettings& settings,
                      std::int64_t first, std::vector<KvtcSegment>& taken) {
  if (first == rows.columns) {
    return bits_of(taken, settings.group_tokens) <= budget
               ? error_of(rows, taken, settings.group_tokens)
               : INFINITY;
  }
  double best = INFINITY;
  for (std::int64_t end = first + settings.block_columns; end <= rows.columns;
       end += settings.block_columns) {
    for (const std::int32_t bits : {0, 2, 4, 8}) {
      taken.push_back(
          {static_cast<std::int32_t>(first), static_cast<std::int32_t>(end - first), bits});
      best = std::min(best, best_by_trying(rows, budget, settings, end, taken));
      taken.pop_back();
    }
  }
  return best;
}

TEST(AllocateBits, FindsTheBestOfAllAllocations) {
  const auto values = falling_rows(20, 16, 0.75F);
  const ConstMatrix rows{values.data(), 20, 16, 16};
  for (const std::int64_t tokens : {1, 4}) {
    KvtcSettings settings;
    settings.group_tokens = tokens;
    settings.block_columns = 4;
    for (const std::int64_t budget : {0, 40, 64, 100, 160, 400}) {
      const auto segments = allocate_bits(rows, budget * tokens, settings);
      EXPECT_LE(bits_of(segments, tokens), budget * tokens);
      std::vector<KvtcSegment> taken;
      EXPECT_DOUBLE_EQ(error_of(rows, segments, tokens),
                       best_by_trying(rows, budget * tokens, settings, 0, taken))
          << tokens << " tokens, " << budget;
    }
  }
}

TEST(AllocateBits, StrongComponentsGetMoreBits) {
  const auto values = falling_rows(100, 192, 0.97F);
  KvtcSettings settings;
  settings.group_tokens = 16;
  const auto segments = allocate_bits({values.data(), 100, 192, 192}, 192 * 16, settings);
  std::int32_t end = 0;
  std::int32_t before = 8;
  for (const auto& segment : segments) {
    EXPECT_EQ(segment.first, end);
    EXPECT_LE(segment.bits, before);
    before = segment.bits;
    end += segment.columns;
  }
  EXPECT_EQ(end, 192);
  EXPECT_EQ(before, 0);
  EXPECT_GE(segments.front().bits, 2);
}

TEST(AllocateBits, EdgesAreDefined) {
  KvtcSettings settings;
  EXPECT_TRUE(allocate_bits({nullptr, 0, 0, 0}, 100, settings).empty());
  const auto none = allocate_bits({nullptr, 0, 80, 80}, 100, settings);  // no rows: nothing to lose
  std::int32_t end = 0;
  for (const auto& segment : none) end += segment.columns;
  EXPECT_EQ(end, 80);
  const auto values = falling_rows(10, 3, 0.5F);  // fewer columns than a block
  const auto all = allocate_bits({values.data(), 10, 3, 3}, 1 << 20, settings);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].bits, 8);
}

}  // namespace
}  // namespace sluice::kernels
