// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/waterfill/deviation_class.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace sluice::kernels {
namespace {

TEST(DeviationClass, IsTheNearestQuarterOctave) {
  for (int quarters = -18; quarters <= 34; ++quarters) {
    const double deviation = 0.3 * std::exp2(quarters / 4.0);
    const auto variance = static_cast<float>(deviation * deviation);
    EXPECT_EQ(deviation_class(variance, 0.3F), quarters - kDeviationClassFirst);
  }
}

TEST(DeviationClass, EndsAtBothEnds) {
  EXPECT_EQ(deviation_class(0.0F, 1.0F), 0);
  EXPECT_EQ(deviation_class(std::nanf(""), 1.0F), 0);
  EXPECT_EQ(deviation_class(1e-30F, 1.0F), 0);
  EXPECT_EQ(deviation_class(1e30F, 1e-10F), kDeviationClasses - 1);
  EXPECT_EQ(deviation_class(std::numeric_limits<float>::infinity(), 1.0F), kDeviationClasses - 1);
}

class Spread : public ::testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    ComponentSpread spread;
    for (int i = 0; i < 200000; ++i) spread.add(normal(random));
    ASSERT_TRUE(spread.finish("p", 0.5F, profile_));
    frequency_ = profile_.find("waterfill.p.frequency")->as<std::int32_t>();
    offset_ = profile_.find("waterfill.p.offset")->as<float>();
  }
  // Of class c, symbol s.
  double share(int c, int s) const { return frequency_[c * kWaterSymbols + s] / 16384.0; }

  Profile profile_;
  const std::int32_t* frequency_ = nullptr;
  const float* offset_ = nullptr;
};

TEST_F(Spread, GivesNormalComponentsTheirShares) {
  const int as_wide_as_the_step = -kDeviationClassFirst;
  // P(|x| < 1/2) and P(1/2 < x < 3/2) of a normal variable.
  EXPECT_NEAR(share(as_wide_as_the_step, 7), 0.383, 0.02);
  EXPECT_NEAR(share(as_wide_as_the_step, 8), 0.242, 0.02);
  EXPECT_NEAR(share(as_wide_as_the_step, 6), 0.242, 0.02);
  // A bin's mean lies towards zero of its middle.
  EXPECT_LT(offset_[as_wide_as_the_step * kWaterOffsets + 1], -0.02F);
  EXPECT_GT(share(0, 7), 0.99);
}

TEST_F(Spread, LeavesEverySymbolPossibleAndSumsUp) {
  for (int c = 0; c < kDeviationClasses; ++c) {
    std::int64_t sum = 0;
    for (int s = 0; s < 1 << WaterAlphabet::of(c).bits; ++s) {
      EXPECT_GE(frequency_[c * kWaterSymbols + s], 1);
      sum += frequency_[c * kWaterSymbols + s];
    }
    EXPECT_EQ(sum, 16384);
  }
}

TEST(ComponentSpread, OfNothingIsRefused) {
  Profile profile;
  EXPECT_EQ(ComponentSpread().finish("p", 0.5F, profile).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::kernels
