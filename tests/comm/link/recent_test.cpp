// SPDX-License-Identifier: Apache-2.0
#include "comm/link/recent.hpp"

#include <gtest/gtest.h>

namespace sluice::comm {
namespace {

TEST(Recent, TheOldestMakesRoom) {
  Recent<int, 3> recent;
  EXPECT_TRUE(recent.empty());
  for (int i = 1; i <= 5; ++i) recent.push(i);
  ASSERT_EQ(recent.size(), 3U);
  EXPECT_EQ(recent[0], 3);
  EXPECT_EQ(recent[1], 4);
  EXPECT_EQ(recent.back(), 5);
  recent.back() = 6;
  EXPECT_EQ(recent[2], 6);
  recent.clear();
  EXPECT_TRUE(recent.empty());
  recent.push(7);
  EXPECT_EQ(recent[0], 7);
}

TEST(Recent, NewestThatIsEnoughElseTheOldest) {
  Recent<int, 4> recent;
  for (const int point : {1, 2, 3, 4, 5}) recent.push(point);
  EXPECT_EQ(recent.newest([](int point) { return point <= 3; }), 3);
  EXPECT_EQ(recent.newest([](int) { return true; }), 5);
  EXPECT_EQ(recent.newest([](int) { return false; }), 2);
}

}  // namespace
}  // namespace sluice::comm
