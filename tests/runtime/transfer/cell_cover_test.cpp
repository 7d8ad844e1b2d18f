// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/cell_cover.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace sluice::runtime {
namespace {

constexpr std::int32_t kInt = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kLong = std::numeric_limits<std::int64_t>::max();

TEST(CellCover, Ranges) {
  EXPECT_TRUE(is_sound({0, 1, 0, 1}));
  EXPECT_TRUE(is_sound({5, 3, 7, 2}));
  EXPECT_FALSE(is_sound({0, 0, 0, 1}));
  EXPECT_FALSE(is_sound({0, 1, 0, -1}));
  EXPECT_FALSE(is_sound({-1, 1, 0, 1}));
  EXPECT_FALSE(is_sound({1, kInt, 0, 1}));
  EXPECT_FALSE(is_sound({0, 1, kInt, kInt}));
  EXPECT_TRUE(contains({0, 4, 2, 2}, {1, 3, 3, 1}));
  EXPECT_FALSE(contains({0, 4, 2, 2}, {1, 4, 3, 1}));
  EXPECT_FALSE(contains({0, 4, 2, 2}, {1, 3, 1, 2}));
  EXPECT_TRUE(overlap({0, 4, 0, 2}, {3, 1, 1, 1}));
  EXPECT_FALSE(overlap({0, 4, 0, 2}, {3, 1, 2, 1}));
  EXPECT_FALSE(overlap({0, 4, 0, 2}, {4, 1, 0, 2}));
}

TEST(CellCover, WhatLiesOutsideIsRefused) {
  CellCover cover({2, 3, 4, 2}, 10);
  for (const CacheRange part :
       {CacheRange{1, 1, 4, 1}, CacheRange{5, 1, 4, 1}, CacheRange{2, 4, 4, 1},
        CacheRange{2, 1, 3, 1}, CacheRange{2, 1, 5, 2}, CacheRange{2, 0, 4, 1},
        CacheRange{kInt, kInt, 4, 1}, CacheRange{2, 1, kInt, kInt}}) {
    const Status claimed = cover.claim(part, 0, 10);
    ASSERT_FALSE(claimed.has_value()) << part.layer_first << " " << part.head_first;
    EXPECT_EQ(claimed.error().code, ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(cover.claim({2, 1, 4, 1}, -1, 10));
  EXPECT_FALSE(cover.claim({2, 1, 4, 1}, 5, 5));
  EXPECT_FALSE(cover.claim({2, 1, 4, 1}, 6, 5));
  EXPECT_FALSE(cover.claim({2, 1, 4, 1}, 0, 11));
  EXPECT_FALSE(cover.claim({2, 1, 4, 1}, 0, kLong));
  EXPECT_TRUE(cover.claim({2, 3, 4, 2}, 0, 10));  // none of them took anything
  EXPECT_TRUE(cover.is_complete());
}

TEST(CellCover, ACellComesOnce) {
  const auto second = [](CacheRange part, std::int64_t first, std::int64_t last) {
    CellCover cover({0, 3, 0, 3}, 40);
    EXPECT_TRUE(cover.claim({0, 2, 1, 1}, 10, 20));
    return cover.claim(part, first, last).has_value();
  };
  EXPECT_TRUE(second({0, 2, 1, 1}, 20, 30));
  EXPECT_TRUE(second({0, 2, 1, 1}, 0, 10));
  EXPECT_TRUE(second({2, 1, 1, 1}, 10, 20));
  EXPECT_TRUE(second({0, 2, 0, 1}, 10, 20));
  EXPECT_FALSE(second({0, 2, 1, 1}, 10, 20));
  EXPECT_FALSE(second({1, 2, 0, 2}, 19, 30));
  EXPECT_FALSE(second({0, 1, 0, 3}, 0, 11));
  EXPECT_FALSE(second({0, 1, 1, 2}, 0, 40));
  EXPECT_FALSE(second({0, 1, 1, 1}, 12, 13));
}

// Cut at random into parts, in random order: every cell once, whole exactly at the end.
TEST(CellCover, PartsInAnyOrderMakeTheWhole) {
  struct Part {
    CacheRange range;
    std::int64_t first = 0;
    std::int64_t last = 0;
  };
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Part> parts;
    for (std::int32_t layer = 0; layer < 4; layer += 2) {
      for (std::int32_t head = 0; head < 3; ++head) {
        for (std::int64_t first = 0; first < 30;) {
          const auto last = std::min<std::int64_t>(30, first + 1 + random() % 10);
          parts.push_back({{layer, 2, head, 1}, first, last});
          first = last;
        }
      }
    }
    std::shuffle(parts.begin(), parts.end(), random);
    CellCover cover({0, 4, 0, 3}, 30);
    for (const Part& part : parts) {
      EXPECT_FALSE(cover.is_complete());
      ASSERT_TRUE(cover.claim(part.range, part.first, part.last));
    }
    EXPECT_TRUE(cover.is_complete());
    for (const Part& part : parts) EXPECT_FALSE(cover.claim(part.range, part.first, part.last));
  }
}

}  // namespace
}  // namespace sluice::runtime
