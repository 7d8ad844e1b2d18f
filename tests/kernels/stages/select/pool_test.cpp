// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;

std::vector<float> pooled(const std::vector<float>& scores, std::int64_t width, Pooling pooling) {
  std::vector<float> out(scores.size());
  pool_scores(scores, width, pooling, out);
  return out;
}

TEST(PoolScores, AveragesWithZerosOutside) {
  EXPECT_THAT(pooled({3, 6, 9, 0}, 3, Pooling::kAverage), ElementsAre(3, 6, 5, 3));
}

TEST(PoolScores, TakesTheMaximumOfWhatThereIs) {
  EXPECT_THAT(pooled({-3, -6, -9, -1, -8}, 3, Pooling::kMax), ElementsAre(-3, -3, -1, -1, -1));
}

TEST(PoolScores, OfWidthNoneOrOneCopies) {
  EXPECT_THAT(pooled({1, 2}, 0, Pooling::kMax), ElementsAre(1, 2));
  EXPECT_THAT(pooled({1, 2}, 1, Pooling::kAverage), ElementsAre(1, 2));
  EXPECT_TRUE(pooled({}, 5, Pooling::kMax).empty());
}

TEST(PoolScores, WiderThanTheScoresIsDefined) {
  EXPECT_THAT(pooled({7, 7}, 7, Pooling::kAverage), ElementsAre(2, 2));
}

TEST(PoolScores, LetsANanThroughToWhoRefusesIt) {
  for (const float before : {0.0F, 2.0F}) {
    const auto out = pooled({before, NAN, 1}, 3, Pooling::kMax);
    EXPECT_TRUE(std::isnan(out[0]) || std::isnan(out[1]) || std::isnan(out[2]));
  }
}

}  // namespace
}  // namespace sluice::kernels
