// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvquant/levels.hpp"

#include <gtest/gtest.h>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

TEST(Levels, SitWhereTheNumbersAre) {
  LevelHistogram histogram;
  for (int i = 0; i < 1000; ++i) {
    histogram.add(-0.5F, 1.0);
    histogram.add(0.25F, 1.0);
  }
  const auto levels = histogram.levels(2);
  EXPECT_NEAR(f32_from_bf16(levels[0]), -0.5F, 0.01F);
  EXPECT_NEAR(f32_from_bf16(levels[1]), 0.25F, 0.01F);
}

TEST(Levels, OfAnEvenSpreadAreEven) {
  LevelHistogram histogram;
  for (int i = 0; i <= 4000; ++i) histogram.add(static_cast<float>(i) / 2000.0F - 1.0F, 2.0);
  const auto levels = histogram.levels(4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(f32_from_bf16(levels[static_cast<std::size_t>(i)]),
                -0.75F + 0.5F * static_cast<float>(i), 0.02F);
  }
}

TEST(Levels, OfNothingAreStillLevels) { EXPECT_EQ(LevelHistogram().levels(8).size(), 8U); }

TEST(Levels, NearestIsNearest) {
  const float levels[] = {-1.0F, 0.0F, 0.5F};
  EXPECT_EQ(nearest_level(levels, -7.0F), 0);
  EXPECT_EQ(nearest_level(levels, -0.4F), 1);
  EXPECT_EQ(nearest_level(levels, 0.25F), 1);
  EXPECT_EQ(nearest_level(levels, 0.26F), 2);
}

}  // namespace
}  // namespace sluice::kernels
