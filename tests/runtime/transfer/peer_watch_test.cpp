// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/peer_watch.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using Nodes = std::vector<comm::NodeId>;
using News = std::vector<std::pair<comm::NodeId, PeerNews>>;

constexpr PeerWatchOptions kOptions{.interval_us = 200, .silent_after_us = 800, .pause_us = 400};

TEST(PeerWatch, BeatsAtOnceAndThenAtIntervals) {
  PeerWatch watch(kOptions);
  EXPECT_FALSE(watch.next_us().has_value());
  watch.watch(3, 1000);
  EXPECT_EQ(watch.next_us(), 1000);
  EXPECT_EQ(watch.turn(1000).beats, Nodes{3});
  EXPECT_EQ(watch.next_us(), 1200);
  EXPECT_EQ(watch.turn(1199).beats, Nodes{});
  EXPECT_EQ(watch.turn(1200).beats, Nodes{3});
}

TEST(PeerWatch, WatchingAgainChangesNothing) {
  PeerWatch watch(kOptions);
  watch.watch(3, 1000);
  (void)watch.turn(1000);
  watch.watch(3, 1100);
  EXPECT_EQ(watch.turn(1100).beats, Nodes{});
}

TEST(PeerWatch, SilenceIsSaidOnceAndSoIsItsEnd) {
  PeerWatch watch(kOptions);
  watch.watch(3, 0);
  for (std::int64_t now_us = 0; now_us < 800; now_us += 100) {
    EXPECT_EQ(watch.turn(now_us).news, News{}) << now_us;
  }
  EXPECT_FALSE(watch.is_silent(3));
  EXPECT_EQ(watch.turn(800).news, (News{{3, PeerNews::kSilent}}));
  EXPECT_TRUE(watch.is_silent(3));
  EXPECT_EQ(watch.turn(900).news, News{});
  watch.heard(3, 950);
  EXPECT_FALSE(watch.is_silent(3));
  EXPECT_LE(*watch.next_us(), 950);
  EXPECT_EQ(watch.turn(1000).news, (News{{3, PeerNews::kHeardAgain}}));
  EXPECT_EQ(watch.turn(1100).news, News{});
}

TEST(PeerWatch, WhoIsHeardIsNotSilent) {
  PeerWatch watch(kOptions);
  watch.watch(3, 0);
  watch.watch(4, 0);
  for (std::int64_t now_us = 0; now_us < 5000; now_us += 300) {
    watch.heard(3, now_us);
    (void)watch.turn(now_us);
  }
  EXPECT_FALSE(watch.is_silent(3));
  EXPECT_TRUE(watch.is_silent(4));
}

TEST(PeerWatch, TheNextTurnIsWhenSilenceWouldBegin) {
  PeerWatch watch({.interval_us = 5000, .silent_after_us = 800, .pause_us = 4000});
  watch.watch(3, 0);
  (void)watch.turn(0);
  EXPECT_EQ(watch.next_us(), 800);
  EXPECT_EQ(watch.turn(*watch.next_us()).news.size(), 1U);
}

TEST(PeerWatch, SilentPeersGetFewerBeats) {
  PeerWatch watch(kOptions);
  watch.watch(3, 0);
  int heard = 0;
  int silent = 0;
  for (std::int64_t now_us = 0; now_us < 4800; now_us += 100) {
    const bool was_silent = watch.is_silent(3);
    const auto turn = watch.turn(now_us);
    (was_silent ? silent : heard) += static_cast<int>(turn.beats.size());
  }
  EXPECT_EQ(heard, 4);
  EXPECT_EQ(silent, 4);
}

// A process that was stopped finds everybody's answers unread: they had no chance to be heard.
TEST(PeerWatch, OurOwnPauseIsNoOnesSilence) {
  PeerWatch watch(kOptions);
  watch.watch(3, 0);
  (void)watch.turn(0);
  (void)watch.turn(300);
  EXPECT_EQ(watch.turn(5000).news, News{});
  for (std::int64_t now_us = 5100; now_us < 5800; now_us += 100) {
    EXPECT_EQ(watch.turn(now_us).news, News{}) << now_us;
  }
  EXPECT_EQ(watch.turn(5800).news, (News{{3, PeerNews::kSilent}}));
}

TEST(PeerWatch, WhoIsForgottenIsNoMatter) {
  PeerWatch watch(kOptions);
  watch.watch(3, 0);
  watch.forget(3);
  watch.heard(3, 10);
  EXPECT_FALSE(watch.next_us().has_value());
  EXPECT_TRUE(watch.turn(5000).beats.empty());
  EXPECT_FALSE(watch.is_silent(3));
}

}  // namespace
}  // namespace sluice::runtime
