// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/waterfill/water_symbols.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::array kRows = {kWaterStep, kWaterLevels, kWaterRounding};
constexpr int kWide = kNarrowClasses;  // the first class of 8 bits

Parameters parameters(const ParameterMap& values) {
  auto parsed = Parameters::parse("waterfill", kRows, values);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return std::move(*parsed);
}

TEST(WaterScale, TakesTheFactorOfTheLevelOrTheLastOne) {
  const Parameters graded =
      parameters({{"step", 0.5}, {"rounding", 0.25}, {"levels", std::vector{1.0, 3.0, 8.0}}});
  EXPECT_EQ(WaterScale::of(graded, 1).step, 0.5F);
  EXPECT_EQ(WaterScale::of(graded, 2).step, 1.5F);
  EXPECT_EQ(WaterScale::of(graded, 3).step, 4.0F);
  EXPECT_EQ(WaterScale::of(graded, kLevelsMax).step, 4.0F);
  EXPECT_EQ(WaterScale::of(graded, kLevelDropped).step, 0.5F);
  EXPECT_EQ(WaterScale::of(graded, 2).rounding, 0.25F);
  EXPECT_EQ(WaterScale::of(parameters({{"step", 0.5}}), 3).step, 0.5F);
}

// An offset that tells its class and its number.
std::vector<float> made_up_offsets() {
  std::vector<float> offsets;
  for (int c = 0; c < kDeviationClasses; ++c) {
    for (int size = 0; size < kWaterOffsets; ++size) {
      offsets.push_back(size == 0 ? 0.0F : static_cast<float>(c - size) / 256.0F);
    }
  }
  return offsets;
}

TEST(WaterScale, ShiftsSmallNumbersBothWaysAlikeAndCutsLargeOnes) {
  const std::vector<float> offsets = made_up_offsets();
  WaterScale scale{.step = 2.0F, .rounding = 0.5F, .offsets = offsets.data()};
  EXPECT_EQ(scale.value(5, 0), 0.0F);
  EXPECT_EQ(scale.value(5, 3), 2.0F * (3.0F + 2.0F / 256.0F));
  EXPECT_EQ(scale.value(5, -3), -2.0F * (3.0F + 2.0F / 256.0F));
  EXPECT_EQ(scale.value(0, 15), 2.0F * (15.0F - 15.0F / 256.0F));
  EXPECT_EQ(scale.value(5, kWaterOffsets), 32.0F);
  scale.step = 1e35F;
  EXPECT_TRUE(std::isfinite(scale.value(5, kWaterNumberMax)));
  EXPECT_LT(scale.value(5, kWaterNumberMax), std::numeric_limits<float>::max());
  EXPECT_EQ(scale.value(5, -kWaterNumberMax), -scale.value(5, kWaterNumberMax));
}

TEST(WaterScale, TabulatesEverySymbolOfEveryClass) {
  const std::vector<float> offsets = made_up_offsets();
  const WaterScale scale{.step = 0.5F, .rounding = 0.5F, .offsets = offsets.data()};
  const std::vector<float> values = scale.values();
  ASSERT_EQ(values.size(), std::size_t{kDeviationClasses} * kWaterSymbols);
  const auto at = [&](int c, int symbol) {
    return values[static_cast<std::size_t>(c * kWaterSymbols + symbol)];
  };
  EXPECT_EQ(at(kWide - 1, 7), 0.0F);
  EXPECT_EQ(at(kWide - 1, 8), scale.value(kWide - 1, 1));
  EXPECT_EQ(at(kWide - 1, 0), scale.value(kWide - 1, -7));
  EXPECT_EQ(at(kWide, 127), 0.0F);
  EXPECT_EQ(at(kWide, 130), scale.value(kWide, 3));
  EXPECT_EQ(at(kDeviationClasses - 1, 254), 0.5F * 127.0F);
}

TEST(WaterNumbers, RoundTowardsZeroByTheRoundingAndAreCut) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {0.0F,   0.32F, 0.33F,     -0.32F,       -0.33F,
                                     -5.25F, 1e30F, -infinity, std::nanf("")};
  std::vector<std::int32_t> numbers(values.size(), 99);
  water_numbers(values, 2.0F, 0.35F, numbers.data());
  EXPECT_EQ(numbers, (std::vector<std::int32_t>{0, 0, 1, 0, -1, -10, kWaterNumberMax,
                                                -kWaterNumberMax, kWaterNumberMax}));
}

TEST(WaterSymbols, EscapeBeyondTheReachOfTheirColumn) {
  const std::vector<std::uint16_t> classes = {0, kWide - 1, kWide, kDeviationClasses - 1};
  const WaterReaches reaches(classes);
  EXPECT_EQ(reaches.reach, (std::vector<std::int32_t>{7, 7, 127, 127}));
  EXPECT_EQ(reaches.escape, (std::vector<std::uint8_t>{15, 15, 255, 255}));
  std::vector<std::uint8_t> symbols(4, 99);
  const std::vector<std::int32_t> within = {-7, 7, -127, 127};
  EXPECT_FALSE(water_symbols(within, reaches, 0, symbols.data()));
  EXPECT_EQ(symbols, (std::vector<std::uint8_t>{0, 14, 0, 254}));
  const std::vector<std::int32_t> beyond = {-8, 8, 128, -kWaterNumberMax};
  EXPECT_TRUE(water_symbols(beyond, reaches, 0, symbols.data()));
  EXPECT_EQ(symbols, (std::vector<std::uint8_t>{15, 15, 255, 255}));
  // From the second column on: the first number is a narrow one's, the second is not.
  symbols.assign(4, 99);
  EXPECT_FALSE(water_symbols(std::vector<std::int32_t>{3, 8}, reaches, 1, symbols.data()));
  EXPECT_EQ(symbols, (std::vector<std::uint8_t>{10, 135, 99, 99}));
}

}  // namespace
}  // namespace sluice::kernels
