// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/landings.hpp"

#include <gtest/gtest.h>

namespace sluice::comm::ucx {
namespace {

using Verdict = Landings::Verdict;

TEST(Landings, AFlushIsDoneWhenAllBeforeItHaveLandedInAnyOrder) {
  Landings landings;
  EXPECT_EQ(landings.ask(7, 1, 0), Verdict::kLanded);
  EXPECT_EQ(landings.ask(7, 1, 3), Verdict::kNotYet);
  for (const std::uint64_t sequence : {2, 4, 3}) {
    ASSERT_TRUE(landings.admits(7, 1));
    landings.landed(7, 1, sequence);
    EXPECT_EQ(landings.ask(7, 1, 1), Verdict::kNotYet);
  }
  landings.landed(7, 1, 1);
  EXPECT_EQ(landings.ask(7, 1, 4), Verdict::kLanded);
  EXPECT_EQ(landings.ask(7, 1, 5), Verdict::kNotYet);
  landings.landed(7, 1, 1);  // twice is once
  EXPECT_EQ(landings.ask(7, 1, 5), Verdict::kNotYet);
}

TEST(Landings, WritersAreApart) {
  Landings landings;
  ASSERT_TRUE(landings.admits(7, 1));
  landings.landed(7, 1, 1);
  EXPECT_EQ(landings.ask(8, 1, 1), Verdict::kNotYet);
  landings.give_up(8);
  EXPECT_TRUE(landings.admits(7, 1));
}

TEST(Landings, ALaterConnectionTakesOver) {
  Landings landings;
  ASSERT_TRUE(landings.admits(7, 3));
  landings.landed(7, 3, 1);
  landings.landed(7, 3, 3);
  ASSERT_TRUE(landings.admits(7, 5));
  EXPECT_FALSE(landings.admits(7, 3));
  EXPECT_EQ(landings.ask(7, 3, 1), Verdict::kRefused);
  EXPECT_EQ(landings.ask(7, 5, 1), Verdict::kNotYet);
  landings.landed(7, 3, 1);  // of the one before: counts no more
  EXPECT_EQ(landings.ask(7, 5, 1), Verdict::kNotYet);
}

TEST(Landings, WhoWasGivenUpLandsNothingUntilItConnectsAgain) {
  Landings landings;
  ASSERT_TRUE(landings.admits(7, 2));
  landings.give_up(7);
  EXPECT_FALSE(landings.admits(7, 2));
  EXPECT_FALSE(landings.admits(7, 1));
  EXPECT_EQ(landings.ask(7, 2, 0), Verdict::kRefused);
  EXPECT_TRUE(landings.admits(7, 3));
  EXPECT_EQ(landings.ask(7, 3, 0), Verdict::kLanded);
}

TEST(Landings, WhoWasGivenUpBeforeItWroteMustConnectAgainToo) {
  Landings landings;
  landings.give_up(7);
  EXPECT_FALSE(landings.admits(7, 4));
  EXPECT_FALSE(landings.admits(7, 4));
  EXPECT_TRUE(landings.admits(7, 5));
}

}  // namespace
}  // namespace sluice::comm::ucx
