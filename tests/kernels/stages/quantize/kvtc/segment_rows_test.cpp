// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvtc/segment_rows.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

TEST(SegmentRows, ValuesComeBackWithinHalfAStep) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(5.0F, 2.0F);
  for (const std::int64_t columns : {1, 3, 16, 37, 64}) {
    std::vector<float> values(static_cast<std::size_t>(4 * columns));
    for (auto& value : values) value = normal(generator);
    const ConstMatrix rows{values.data(), 4, columns, columns};
    for (const std::int32_t bits : {2, 4, 8}) {
      const KvtcRange range = kvtc_range(rows, bits);
      std::vector<std::uint8_t> symbols(values.size());
      std::vector<float> back(values.size());
      kvtc_quantize(rows, bits, range, symbols.data(), columns);
      kvtc_dequantize(symbols.data(), columns, range, {back.data(), 4, columns, columns});
      const float step = f32_from_bf16(range.scale);
      for (std::size_t i = 0; i < values.size(); ++i) {
        // Plain rounding is the oracle; shift and scale in BF16 may miss the ends by a little.
        const float level = (values[i] - f32_from_bf16(range.shift)) / step;
        const float expected =
            std::rint(std::fmin(std::fmax(level, 0.0F), static_cast<float>((1 << bits) - 1)));
        ASSERT_EQ(symbols[i], static_cast<std::uint8_t>(columns == 1 && step == 0 ? 0 : expected));
        ASSERT_NEAR(back[i], values[i], 0.5F * step + 0.04F) << bits;
      }
    }
  }
}

TEST(SegmentRows, ConstantHugeTinyAndStrangeValuesAreDefined) {
  for (const float value : {0.0F, -3.0F, 3e38F, -3e38F, 1e-42F}) {
    const std::vector<float> values(20, value);
    const ConstMatrix rows{values.data(), 1, 20, 20};
    const KvtcRange range = kvtc_range(rows, 2);
    std::vector<std::uint8_t> symbols(20, 9);
    kvtc_quantize(rows, 2, range, symbols.data(), 20);
    std::vector<float> back(20);
    kvtc_dequantize(symbols.data(), 20, range, {back.data(), 1, 20, 20});
    for (const float got : back) EXPECT_NEAR(got, value, 0.004F * std::abs(value) + 1e-40F);
  }
  std::vector<float> values(20, 1.0F);
  values[3] = std::numeric_limits<float>::quiet_NaN();
  values[19] = std::numeric_limits<float>::infinity();
  const ConstMatrix rows{values.data(), 1, 20, 20};
  std::vector<std::uint8_t> symbols(20, 9);
  kvtc_quantize(rows, 2, kvtc_range(rows, 2), symbols.data(), 20);
  for (const std::uint8_t symbol : symbols) EXPECT_LT(symbol, 4);
}

}  // namespace
}  // namespace sluice::kernels
