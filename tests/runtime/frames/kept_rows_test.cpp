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
  frame.head_count = 2;
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

TEST(KeptRows, SeveralFramesBringDifferentHeadsOfTheSameTokens) {
  // Heads 2 and 3 of layers 4 and 5.
  KeptRows rows(CacheRange{4, 2, 2, 2}, 10);
  const auto place = [](std::int64_t layer, std::int64_t head, std::int64_t heads) {
    return PlannedFrame{.layer_first = layer,
                        .layer_count = 1,
                        .last_token = 10,
                        .head_first = head,
                        .head_count = heads};
  };
  for (const PlannedFrame& bad :
       {place(3, 2, 2), place(6, 2, 2), place(4, 1, 2), place(4, 3, 2), place(4, 4, 1),
        place(4, std::numeric_limits<std::int64_t>::max(), 1),
        place(4, 2, std::numeric_limits<std::int64_t>::max()), place(4, 2, -1)}) {
    EXPECT_FALSE(rows.claim(bad).has_value());
  }
  const auto bring = [&](std::int64_t layer, std::int64_t head, std::vector<std::int32_t> kept) {
    const auto heads = static_cast<std::int64_t>(kept.size());
    EXPECT_TRUE(rows.claim(place(layer, head, heads)).has_value());
    EXPECT_FALSE(rows.claim(place(layer, head, heads)).has_value());
    kernels::FrameInfo frame = info(layer, 0, 10, std::move(kept));
    frame.layer_count = 1;
    frame.head_first = head;
    frame.head_count = heads;
    EXPECT_TRUE(rows.keep(frame).has_value());
  };
  bring(4, 3, {7});
  bring(5, 2, {10, 4});
  EXPECT_FALSE(rows.is_complete());
  EXPECT_FALSE(rows.claim(place(4, 2, 2)).has_value());
  bring(4, 2, {10});
  EXPECT_TRUE(rows.is_complete());
  EXPECT_EQ(rows.dropped(), (std::vector<std::int64_t>{0, 3, 0, 6}));
}

TEST(KeptRows, FramesThatSayNothingOfHeadsHaveAllThatAreHeld) {
  KeptRows rows(CacheRange{0, 1, 2, 2}, 10);
  ASSERT_TRUE(rows.claim({0, 1, 0, 10, 0, 0}).has_value());
  EXPECT_FALSE(rows.keep(info(0, 0, 10, {10, 10})).has_value());  // heads 0 and 1
  kernels::FrameInfo frame = info(0, 0, 10, {10, 10});
  frame.head_first = 2;
  EXPECT_TRUE(rows.keep(frame).has_value());
  EXPECT_TRUE(rows.is_complete());
}

TEST(KeptRows, WhatIsHereAlreadyNeedsNoFrame) {
  KeptRows rows(2, 1, 10);
  rows.have(4);
  EXPECT_FALSE(rows.claim({0, 1, 3, 10, 0, 0}).has_value());
  EXPECT_FALSE(rows.is_complete());
  const auto rest = [](std::int64_t layer, std::int32_t kept) {
    kernels::FrameInfo frame = info(layer, 4, 10, {kept, kept});
    frame.layer_count = 1;
    frame.head_count = 1;
    frame.kept.resize(1);
    return frame;
  };
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    ASSERT_TRUE(rows.claim({layer, 1, 4, 10, 0, 0}).has_value());
    EXPECT_FALSE(rows.keep(rest(layer, 5)).has_value());  // a part keeps all of its rows
    ASSERT_TRUE(rows.keep(rest(layer, 6)).has_value());
  }
  EXPECT_TRUE(rows.is_complete());
  EXPECT_TRUE(rows.dropped().empty());
}

}  // namespace
}  // namespace sluice::runtime
