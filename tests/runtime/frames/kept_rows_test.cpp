// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/kept_rows.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace sluice::runtime {
namespace {

kernels::FrameInfo info(std::int64_t layer, std::int64_t first, std::int64_t last,
                        std::vector<std::int32_t> kept) {
  kernels::FrameInfo frame;
  frame.layer_first = layer;
  frame.layer_count = static_cast<std::int64_t>(kept.size()) / 2;
  frame.first_token = first;
  frame.last_token = last;
  frame.kept = std::move(kept);
  return frame;
}

TEST(KeptRows, PartsThatKeepAllDropNothing) {
  KeptRows rows(2, 2, 10);
  for (const auto& [first, last] : {std::pair{4, 10}, {0, 4}}) {
    EXPECT_FALSE(rows.is_complete());
    ASSERT_TRUE(rows.claim({0, 2, first, last, 0, 0}).has_value());
    ASSERT_TRUE(
        rows.keep(info(0, first, last, std::vector<std::int32_t>(4, last - first))).has_value());
  }
  EXPECT_TRUE(rows.is_complete());
  EXPECT_TRUE(rows.dropped().empty());
  EXPECT_EQ(rows.kept_share(), 1.0);
}

TEST(KeptRows, EachHeadOfEachLayerIsCounted) {
  KeptRows rows(2, 2, 10);
  ASSERT_TRUE(rows.claim({1, 1, 0, 10, 0, 0}).has_value());
  ASSERT_TRUE(rows.keep(info(1, 0, 10, {10, 0})).has_value());
  ASSERT_TRUE(rows.claim({0, 1, 0, 10, 0, 0}).has_value());
  ASSERT_TRUE(rows.keep(info(0, 0, 10, {3, 7})).has_value());
  EXPECT_EQ(rows.dropped(), (std::vector<std::int64_t>{7, 3, 0, 10}));
  EXPECT_DOUBLE_EQ(rows.kept_share(), 0.5);
}

TEST(KeptRows, APartThatLeavesRowsOutIsRefused) {
  KeptRows rows(1, 2, 10);
  EXPECT_FALSE(rows.keep(info(0, 0, 5, {5, 4})).has_value());
  EXPECT_FALSE(rows.keep(info(0, 5, 10, {5, 6})).has_value());
}

TEST(KeptRows, WhatLiesOutsideOrOverlapsIsRefusedAndClaimsNothing) {
  KeptRows rows(3, 1, 10);
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  for (const PlannedFrame& bad :
       {PlannedFrame{-1, 1, 0, 10, 0, 0}, PlannedFrame{0, 4, 0, 10, 0, 0},
        PlannedFrame{2, 2, 0, 10, 0, 0}, PlannedFrame{0, 0, 0, 10, 0, 0},
        PlannedFrame{kMost, kMost, 0, 10, 0, 0}, PlannedFrame{0, 1, -1, 10, 0, 0},
        PlannedFrame{0, 1, 0, 11, 0, 0}, PlannedFrame{0, 1, 4, 4, 0, 0},
        PlannedFrame{0, 1, 0, kMost, 0, 0}}) {
    EXPECT_FALSE(rows.claim(bad).has_value());
  }
  ASSERT_TRUE(rows.claim({1, 1, 3, 7, 0, 0}).has_value());
  EXPECT_FALSE(rows.claim({0, 3, 0, 4, 0, 0}).has_value());
  EXPECT_FALSE(rows.claim({0, 3, 6, 10, 0, 0}).has_value());
  EXPECT_FALSE(rows.claim({1, 1, 0, 10, 0, 0}).has_value());
  EXPECT_TRUE(rows.claim({0, 3, 0, 3, 0, 0}).has_value());
  EXPECT_TRUE(rows.claim({0, 3, 7, 10, 0, 0}).has_value());
}

}  // namespace
}  // namespace sluice::runtime
