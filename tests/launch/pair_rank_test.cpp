// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_rank.hpp"

#include <gtest/gtest.h>

#include "tests/support/process.hpp"

namespace sluice::launch {
namespace {

TEST(PairRank, AloneIsOneSentence) {
  tests::ChildProcess alone({SLUICE_PAIR_RANK, "left", "right", "ucx"});
  EXPECT_EQ(alone.wait(std::chrono::seconds(60)), 1);
  EXPECT_EQ(alone.out(), "");
  EXPECT_NE(alone.error().find("sluice: a pair is two processes\n"), std::string::npos)
      << alone.error();
}

}  // namespace
}  // namespace sluice::launch
