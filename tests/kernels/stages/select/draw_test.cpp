// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/draw.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice::kernels {
namespace {

// Frames of one seed are the same everywhere, and stay so.
TEST(DrawBits, AreTheseForever) {
  EXPECT_EQ(draw_bits(1, 2, 3, 4), draw_bits(1, 2, 3, 4));
  EXPECT_EQ(draw_bits(0, 0, 0, 0), 2391539541053276776U);
}

TEST(DrawBits, DifferByEveryPlace) {
  const std::uint64_t one = draw_bits(1, 1, 1, 1);
  EXPECT_NE(one, draw_bits(2, 1, 1, 1));
  EXPECT_NE(one, draw_bits(1, 2, 1, 1));
  EXPECT_NE(one, draw_bits(1, 1, 2, 1));
  EXPECT_NE(one, draw_bits(1, 1, 1, 2));
}

TEST(Race, IsTheLogarithmOverTheWeight) {
  for (const std::uint64_t bits : {std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0},
                                   std::uint64_t{0x123456789abcdef0U}}) {
    const double u = (static_cast<double>(bits >> 12) + 0.5) / 4503599627370496.0;
    EXPECT_NEAR(race(bits, 0.5F) / (2 * std::log(u)), 1.0, 1e-6) << bits;
  }
}

TEST(Race, PutsWeightlessLastAndKeepsNan) {
  EXPECT_EQ(race(5, 0.0F), std::numeric_limits<float>::lowest());
  EXPECT_EQ(race(5, -1.0F), std::numeric_limits<float>::lowest());
  EXPECT_EQ(race(5, 1e-45F), std::numeric_limits<float>::lowest());
  EXPECT_TRUE(std::isnan(race(5, NAN)));
}

// Among two, each should win in proportion to its weight.
TEST(Race, DrawsInProportion) {
  int heavy = 0;
  constexpr int kDraws = 4000;
  for (int i = 0; i < kDraws; ++i) {
    heavy += race(draw_bits(7, 0, 0, i), 3.0F) > race(draw_bits(7, 0, 1, i), 1.0F) ? 1 : 0;
  }
  EXPECT_NEAR(heavy / static_cast<double>(kDraws), 0.75, 0.03);
}

}  // namespace
}  // namespace sluice::kernels
