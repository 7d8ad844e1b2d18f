// SPDX-License-Identifier: Apache-2.0
#include "scheduler/level_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace sluice::scheduler {
namespace {

Level level(const char* name, double bytes, double encode, double decode, double kl) {
  Level made;
  made.pipeline = name;
  made.bytes_per_token = bytes;
  made.encode_s_per_token = encode;
  made.decode_s_per_token = decode;
  made.kl = kl;
  return made;
}

std::vector<std::string> names(const std::vector<Level>& levels) {
  std::vector<std::string> all;
  for (const Level& one : levels) all.push_back(one.pipeline);
  return all;
}

using Names = std::vector<std::string>;

TEST(EfficientLevels, AreSortedByDescendingBytes) {
  const auto kept = efficient_levels(
      {level("small", 10, 3, 3, 0.3), level("large", 100, 1, 1, 0.0), level("mid", 50, 2, 2, 0.1)});
  EXPECT_EQ(names(kept), (Names{"large", "mid", "small"}));
}

TEST(EfficientLevels, WhatAnotherBeatsIsLeftOut) {
  const auto kept = efficient_levels({level("good", 10, 1, 1, 0.1), level("worse", 10, 1, 1, 0.2),
                                      level("quick", 10, 0.5, 1, 0.2)});
  EXPECT_EQ(names(kept), (Names{"good", "quick"}));
}

TEST(EfficientLevels, OfEqualOnesTheFirstStays) {
  const auto kept = efficient_levels({level("a", 10, 1, 1, 0.1), level("b", 10, 1, 1, 0.1)});
  EXPECT_EQ(names(kept), (Names{"a"}));
}

TEST(EfficientLevels, StreamingIsAnAdvantage) {
  Level streaming = level("streaming", 20, 1, 1, 0.1);
  streaming.is_streaming = true;
  const Level whole = level("whole", 10, 1, 1, 0.1);
  EXPECT_EQ(names(efficient_levels({streaming, whole})), (Names{"streaming", "whole"}));
  streaming.bytes_per_token = 10;
  EXPECT_EQ(names(efficient_levels({whole, streaming})), (Names{"streaming"}));
}

TEST(EfficientLevels, FixedBytesCountForShortPrompts) {
  Level fixed = level("fixed", 10, 1, 1, 0.1);
  fixed.bytes_fixed = 5000;
  const Level steep = level("steep", 12, 1, 1, 0.1);
  // One is smaller for short prompts, the other for long ones.
  EXPECT_EQ(names(efficient_levels({fixed, steep})), (Names{"steep", "fixed"}));
  EXPECT_GT(fixed.bytes(100), steep.bytes(100));
  EXPECT_LT(fixed.bytes(10'000), steep.bytes(10'000));
  Level both = steep;
  both.bytes_fixed = 5000;
  EXPECT_EQ(names(efficient_levels({both, fixed})), (Names{"fixed"}));
}

// Whatever the figures: nothing that is left out beats anything, and each has one that beats it.
TEST(EfficientLevels, OfRandomOnesKeepTheBestOfEachFigure) {
  std::mt19937 random(3);
  const auto digit = [&] { return static_cast<double>(random() % 5); };
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<Level> all;
    for (int i = 0; i < 12; ++i) all.push_back(level("x", digit(), digit(), digit(), digit()));
    const auto kept = efficient_levels(all);
    ASSERT_FALSE(kept.empty());
    for (const auto figure : {&Level::bytes_per_token, &Level::encode_s_per_token,
                              &Level::decode_s_per_token, &Level::kl}) {
      const auto less = [&](const Level& a, const Level& b) { return a.*figure < b.*figure; };
      EXPECT_EQ((*std::min_element(kept.begin(), kept.end(), less)).*figure,
                (*std::min_element(all.begin(), all.end(), less)).*figure);
    }
    const auto is_nowhere_worse = [](const Level& a, const Level& b) {
      return a.bytes_per_token <= b.bytes_per_token &&
             a.encode_s_per_token <= b.encode_s_per_token &&
             a.decode_s_per_token <= b.decode_s_per_token && a.kl <= b.kl;
    };
    for (const Level& one : all) {
      EXPECT_TRUE(std::any_of(kept.begin(), kept.end(),
                              [&](const Level& other) { return is_nowhere_worse(other, one); }));
    }
    for (const Level& one : kept) {
      EXPECT_EQ(std::count_if(kept.begin(), kept.end(),
                              [&](const Level& other) { return is_nowhere_worse(other, one); }),
                1);
    }
  }
}

TEST(EfficientLevels, OfNoneAreNone) { EXPECT_TRUE(efficient_levels({}).empty()); }

}  // namespace
}  // namespace sluice::scheduler
