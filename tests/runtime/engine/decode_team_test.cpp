// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/decode_team.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace sluice::runtime {
namespace {

TEST(DecodeTeam, DoesEveryItemOnceAndShowsItsResultToAllInTheNextPhase) {
  for (const int threads : {1, 2, 5}) {
    DecodeTeam team(threads);
    ASSERT_EQ(team.size(), threads);
    constexpr std::int64_t kItems = 37;
    std::vector<std::int64_t> counts(kItems, 0);
    std::vector<std::int64_t> seen(kItems, 0);
    for (int run = 1; run <= 3; ++run) {
      team.run([&](int) {
        for (int phase = 0; phase < 10; ++phase) {
          team.share(kItems, [&](std::int64_t item) { ++counts[static_cast<std::size_t>(item)]; });
          team.share(kItems, [&](std::int64_t item) {
            seen[static_cast<std::size_t>(item)] =
                std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
          });
        }
      });
      for (const std::int64_t count : counts) EXPECT_EQ(count, 10 * run);
      for (const std::int64_t sum : seen) EXPECT_EQ(sum, 10 * run * kItems);
    }
  }
}

TEST(DecodeTeam, EveryMemberRunsAndItemsMayBeFewerThanMembers) {
  DecodeTeam team(4);
  std::vector<int> ran(4, 0);
  int single = 0;
  team.run([&](int member) {
    ran[static_cast<std::size_t>(member)] = 1;
    team.share(0, [&](std::int64_t) { FAIL(); });
    team.share(1, [&](std::int64_t) { ++single; });
  });
  EXPECT_EQ(ran, std::vector<int>(4, 1));
  EXPECT_EQ(single, 1);
}

TEST(DecodeTeam, ATeamThatNeverRanEnds) { const DecodeTeam team(3); }

}  // namespace
}  // namespace sluice::runtime
