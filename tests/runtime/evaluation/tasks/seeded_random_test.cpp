// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/seeded_random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

// Computed apart from this code: with another library or compiler the items stay the same.
TEST(SeededRandom, IsTheSameEverywhere) {
  SeededRandom random(7, "needle", 3);
  EXPECT_EQ(random.next(), 13335238540355832366ULL);
  EXPECT_EQ(random.next(), 10559213951802763356ULL);
  SeededRandom again(7, "needle", 3);
  std::vector<std::size_t> drawn;
  for (int i = 0; i < 8; ++i) drawn.push_back(again.below(10));
  EXPECT_THAT(drawn, ElementsAre(6, 6, 4, 5, 8, 8, 7, 3));
  std::vector<int> values = {0, 1, 2, 3, 4, 5, 6, 7};
  SeededRandom(7, "order").shuffle(values);
  EXPECT_THAT(values, ElementsAre(0, 7, 2, 5, 6, 3, 1, 4));
}

TEST(SeededRandom, SeedStreamAndNumberAllCount) {
  const auto first = SeededRandom(7, "a", 0).next();
  EXPECT_NE(first, SeededRandom(8, "a", 0).next());
  EXPECT_NE(first, SeededRandom(7, "b", 0).next());
  EXPECT_NE(first, SeededRandom(7, "a", 1).next());
}

TEST(SeededRandom, EveryChoiceComesAboutEquallyOften) {
  SeededRandom random(1, "even");
  std::array<int, 6> seen{};
  for (int i = 0; i < 6000; ++i) ++seen[random.below(6)];
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(random.below(1), 0U);
}

}  // namespace
}  // namespace sluice::runtime
