// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/resampling.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::runtime {
namespace {

TEST(Resampling, ARatioOfMeansGivesEachTaskOneVote) {
  // Means 1 and 4 over means 2 and 2, though the first task has three items: 5 / 4.
  const std::vector<Stratum> strata = {{{0, 1, 2}, {2, 2, 2}}, {{4}, {2}}};
  EXPECT_DOUBLE_EQ(Resampler(1).ratio(strata).mean, 1.25);
}

TEST(Resampling, WithoutDenominatorsTheRatioIsAMean) {
  const std::vector<Stratum> strata = {{{0, 1, 2}, {}}, {{4}, {}}};
  EXPECT_DOUBLE_EQ(Resampler(1).ratio(strata).mean, 2.5);
}

TEST(Resampling, ItemsAreDrawnWithinTheirTask) {
  // Either task alone does not vary, so neither does any draw: drawn from one heap, they would.
  const std::vector<Stratum> strata = {{{1, 1, 1}, {}}, {{9, 9}, {}}};
  const Interval interval = Resampler(1).ratio(strata);
  EXPECT_DOUBLE_EQ(interval.mean, 5.0);
  EXPECT_DOUBLE_EQ(interval.low, 5.0);
  EXPECT_DOUBLE_EQ(interval.high, 5.0);
}

TEST(Resampling, TheIntervalIsThatOfTheMean) {
  // 400 values of 0 and 1, half each: the mean's standard error is 0.5 / 20 = 0.025, and 1.96 of
  // them are 0.049. 2,000 draws place the ends to about 0.002.
  Stratum stratum;
  for (int i = 0; i < 400; ++i) stratum.numerators.push_back(i % 2);
  const Interval interval = Resampler(7).ratio({&stratum, 1});
  EXPECT_NEAR(interval.low, 0.451, 0.006);
  EXPECT_NEAR(interval.high, 0.549, 0.006);
}

TEST(Resampling, TheSameSeedGivesTheSameAndAnotherDoesNot) {
  const Stratum stratum{{1, 5, 2, 8, 3, 9, 4}, {}};
  const Interval once = Resampler(1).ratio({&stratum, 1});
  const Interval again = Resampler(1).ratio({&stratum, 1});
  const Interval other = Resampler(2).ratio({&stratum, 1});
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
  EXPECT_TRUE(once.low != other.low || once.high != other.high);
}

TEST(Resampling, DenominatorsOfZeroGiveNoNumber) {
  const Stratum none{{1, 2}, {0, 0}};
  EXPECT_TRUE(std::isnan(Resampler(1).ratio({&none, 1}).mean));
  EXPECT_TRUE(std::isnan(Resampler(1).ratio({}).mean));
  // Some draws hold only the item without weight: those do not count, the others do.
  const Stratum some{{0, 2}, {0, 1}};
  const Interval interval = Resampler(1).ratio({&some, 1});
  EXPECT_DOUBLE_EQ(interval.mean, 2.0);
  EXPECT_DOUBLE_EQ(interval.low, 2.0);
  EXPECT_DOUBLE_EQ(interval.high, 2.0);
}

}  // namespace
}  // namespace sluice::runtime
