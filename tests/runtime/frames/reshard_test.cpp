// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/reshard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

namespace sluice::runtime {
namespace {

constexpr CacheRange kWhole{0, 3, 0, 8};

// Every cell of every target comes once, from a source that holds it.
void expect_sound(const std::vector<CacheRange>& sources, const std::vector<CacheRange>& targets) {
  const auto plan = reshard_plan(sources, targets);
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  std::set<std::tuple<std::size_t, int, int>> come;
  for (const ReshardMove& move : *plan) {
    EXPECT_EQ(common_range(sources[move.source], move.range), move.range);
    EXPECT_EQ(common_range(targets[move.target], move.range), move.range);
    for (int layer = 0; layer < move.range.layer_count; ++layer) {
      for (int head = 0; head < move.range.head_count; ++head) {
        EXPECT_TRUE(
            come.emplace(move.target, move.range.layer_first + layer, move.range.head_first + head)
                .second);
      }
    }
  }
  std::size_t wanted = 0;
  for (const CacheRange& target : targets) {
    wanted += static_cast<std::size_t>(target.layer_count * target.head_count);
  }
  EXPECT_EQ(come.size(), wanted);
}

TEST(Reshard, EveryDegreeToEveryDegree) {
  for (const int from : {1, 2, 3, 4, 8, 16}) {
    for (const int to : {1, 2, 3, 4, 8, 16}) {
      SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
      expect_sound(split_heads(kWhole, from), split_heads(kWhole, to));
    }
  }
}

TEST(Reshard, TwoToFourAndBack) {
  const auto two = split_heads(kWhole, 2);
  const auto four = split_heads(kWhole, 4);
  EXPECT_EQ(
      *reshard_plan(two, four),
      (std::vector<ReshardMove>{
          {0, 0, {0, 3, 0, 2}}, {0, 1, {0, 3, 2, 2}}, {1, 2, {0, 3, 4, 2}}, {1, 3, {0, 3, 6, 2}}}));
  EXPECT_EQ(
      *reshard_plan(four, two),
      (std::vector<ReshardMove>{
          {0, 0, {0, 3, 0, 2}}, {1, 0, {0, 3, 2, 2}}, {2, 1, {0, 3, 4, 2}}, {3, 1, {0, 3, 6, 2}}}));
}

TEST(Reshard, UnevenSplitsAndLayersToo) {
  const std::vector<CacheRange> stages{{0, 1, 0, 8}, {1, 2, 0, 3}, {1, 2, 3, 5}};
  expect_sound(stages, split_heads(kWhole, 3));
  expect_sound(split_heads(kWhole, 3), stages);
  const std::vector<CacheRange> three = split_heads({0, 1, 0, 4}, 3);
  EXPECT_EQ(three, (std::vector<CacheRange>{{0, 1, 0, 1}, {0, 1, 1, 1}, {0, 1, 2, 2}}));
}

// More ranks than heads: several hold the same.
TEST(Reshard, RanksThatHoldTheSameTakeTurns) {
  const CacheRange two_heads{0, 1, 0, 2};
  const auto four = split_heads(two_heads, 4);
  EXPECT_EQ(four[0], four[1]);
  EXPECT_EQ(four[2], four[3]);
  const auto plan = *reshard_plan(four, split_heads(two_heads, 4));
  ASSERT_EQ(plan.size(), 4U);
  EXPECT_EQ(plan[0].source, 0U);
  EXPECT_EQ(plan[1].source, 1U);
  EXPECT_EQ(plan[2].source, 2U);
  EXPECT_EQ(plan[3].source, 3U);
}

TEST(Reshard, WhatIsAmbiguousOrMissingIsTold) {
  const std::vector<CacheRange> over{{0, 3, 0, 5}, {0, 3, 4, 4}};
  const std::vector<CacheRange> all{kWhole};
  const auto ambiguous = reshard_plan(over, all);
  ASSERT_FALSE(ambiguous.has_value());
  EXPECT_THAT(ambiguous.error().message, ::testing::HasSubstr("ranks 0 and 1"));
  const std::vector<CacheRange> gap{{0, 3, 0, 4}, {0, 2, 4, 4}};
  const auto missing = reshard_plan(gap, all);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::runtime
