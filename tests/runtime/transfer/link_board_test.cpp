// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/link_board.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kMbit = 1e6 / 8;
constexpr std::int64_t kSecond = 1'000'000;

LinkReport report_of(comm::NodeId peer, double free_bytes_per_s, double goodput = 0.0) {
  LinkReport report;
  report.peer = peer;
  report.has_card = 1;
  report.capacity_bytes_per_s = report.free_bytes_per_s = free_bytes_per_s;
  report.goodput_bytes_per_s = goodput;
  report.queued_bytes = goodput > 0.0 ? 1000 : 0;
  report.utilization = goodput > 0.0 ? 1.0 : 0.0;
  report.round_trip_us = 250;
  report.age_us = 10;
  return report;
}

std::vector<std::string> texts(LinkBoard& board) {
  std::vector<std::string> lines;
  for (const LinkChange& change : board.take_changes()) lines.push_back(text_of(change));
  return lines;
}

scheduler::Snapshot snapshot_of(const LinkBoard& board, std::int64_t now_us) {
  scheduler::Snapshot snapshot;
  board.fill(snapshot, now_us);
  return snapshot;
}

TEST(LinkBoard, ShowsEachLinkAsItWasReported) {
  LinkBoard board({});
  board.take(2, {{report_of(4, 3e6)}}, kSecond);
  board.take(1, {{report_of(4, 1e6, 9e5), report_of(3, 2e6)}}, kSecond);
  const auto snapshot = snapshot_of(board, kSecond + 5);
  ASSERT_EQ(snapshot.links.size(), 3U);
  EXPECT_EQ(snapshot.links[0].prefill_node, 1U);
  EXPECT_EQ(snapshot.links[0].decode_node, 3U);
  EXPECT_EQ(snapshot.links[0].figures.free_bytes_per_s, 2e6);
  EXPECT_EQ(snapshot.links[0].round_trip_us, 250);
  EXPECT_EQ(snapshot.links[0].figures.age_us, 15);
  EXPECT_EQ(snapshot.links[1].figures.goodput_bytes_per_s, 9e5);
  EXPECT_EQ(snapshot.links[1].figures.queued_bytes, 1000U);
  EXPECT_EQ(snapshot.links[2].prefill_node, 2U);
  EXPECT_THAT(snapshot.uplinks, IsEmpty());
}

TEST(LinkBoard, TrafficIsDroppedSoonAndCapacityLate) {
  LinkBoard board({});
  board.take(1, {{report_of(3, 2e6, 1e6)}}, 0);
  const auto later = snapshot_of(board, 3 * kSecond);
  ASSERT_EQ(later.links.size(), 1U);
  EXPECT_EQ(later.links[0].figures.goodput_bytes_per_s, 0.0);
  EXPECT_EQ(later.links[0].figures.queued_bytes, 0U);
  EXPECT_EQ(later.links[0].figures.utilization, 0.0);
  EXPECT_EQ(later.links[0].figures.capacity_bytes_per_s, 2e6);
  EXPECT_EQ(later.links[0].figures.age_us, 3 * kSecond + 10);
  EXPECT_THAT(snapshot_of(board, 601 * kSecond).links, IsEmpty());
}

TEST(LinkBoard, ForgetsANodeInBothDirections) {
  LinkBoard board({});
  board.take(1, {{report_of(3, 1e6), report_of(4, 1e6)}}, 0);
  board.take(2, {{report_of(3, 1e6)}}, 0);
  board.forget(3);
  ASSERT_EQ(snapshot_of(board, 0).links.size(), 1U);
  EXPECT_EQ(snapshot_of(board, 0).links[0].decode_node, 4U);
  board.forget(1);
  EXPECT_THAT(snapshot_of(board, 0).links, IsEmpty());
}

TEST(LinkBoard, AChangeIsSaidOnceItIsHeld) {
  LinkBoard board({});
  std::int64_t now_us = kSecond;
  const auto report = [&](double mbit) {
    now_us += kSecond;
    board.take(1, {{report_of(3, mbit * kMbit)}}, now_us);
    return texts(board);
  };
  EXPECT_THAT(report(940), IsEmpty());
  EXPECT_THAT(report(950), IsEmpty());
  EXPECT_THAT(report(48), IsEmpty());
  EXPECT_THAT(report(47.6), ElementsAre("rank 1 -> rank 3: 950 Mbit/s -> 48 Mbit/s free"));
  EXPECT_THAT(report(48), IsEmpty());
  // One report alone is no change, and two that differ agree on none.
  EXPECT_THAT(report(940), IsEmpty());
  EXPECT_THAT(report(48), IsEmpty());
  EXPECT_THAT(report(300), IsEmpty());
  EXPECT_THAT(report(900), IsEmpty());
  EXPECT_THAT(report(940), ElementsAre("rank 1 -> rank 3: 48 Mbit/s -> 940 Mbit/s free"));
  // What still falls is said when it has come down.
  EXPECT_THAT(report(600), IsEmpty());
  EXPECT_THAT(report(420), IsEmpty());
  EXPECT_THAT(report(300), IsEmpty());
  EXPECT_THAT(report(290), ElementsAre("rank 1 -> rank 3: 940 Mbit/s -> 290 Mbit/s free"));
  EXPECT_THAT(report(940), IsEmpty());
  EXPECT_THAT(report(940), ElementsAre(::testing::HasSubstr("940 Mbit/s free")));
  // Less than half as much again is the same for people.
  EXPECT_THAT(report(700), IsEmpty());
  EXPECT_THAT(report(700), IsEmpty());
}

TEST(LinkBoard, WhatIsHeldIsHeldForASecond) {
  LinkBoard board({});
  std::int64_t now_us = kSecond;
  const auto report = [&](double mbit) {
    now_us += kSecond / 4;
    board.take(1, {{report_of(3, mbit * kMbit)}}, now_us);
    return texts(board);
  };
  for (int i = 0; i < 6; ++i) EXPECT_THAT(report(1000), IsEmpty());
  for (const double mbit : {50.0, 50.0, 50.0, 80.0, 50.0, 50.0, 50.0, 50.0}) {
    EXPECT_THAT(report(mbit), IsEmpty());
  }
  EXPECT_THAT(report(50), ElementsAre("rank 1 -> rank 3: 1.0 Gbit/s -> 50 Mbit/s free"));
}

TEST(LinkBoard, OfALinkWithoutACardNothingIsSaid) {
  LinkBoard board({});
  for (int i = 1; i <= 6; ++i) {
    LinkReport report = report_of(3, i <= 3 ? 4e9 : 1e9);
    report.has_card = 0;
    board.take(1, {{report}}, i * kSecond);
    EXPECT_THAT(texts(board), IsEmpty());
  }
}

TEST(LinkBoard, AnOldFigureConfirmsNothing) {
  LinkBoard board({});
  const auto report = [&](double mbit, std::int64_t age_us, std::int64_t now_us) {
    LinkReport link = report_of(3, mbit * kMbit);
    link.age_us = age_us;
    board.take(1, {{link}}, now_us);
    return texts(board);
  };
  EXPECT_THAT(report(1000, 0, 1 * kSecond), IsEmpty());
  EXPECT_THAT(report(1000, 0, 2 * kSecond), IsEmpty());
  EXPECT_THAT(report(50, 0, 3 * kSecond), IsEmpty());
  EXPECT_THAT(report(50, kSecond + 1, 4 * kSecond), IsEmpty());
  EXPECT_THAT(report(50, -1, 5 * kSecond), IsEmpty());
  EXPECT_THAT(report(50, 100, 6 * kSecond), ElementsAre(::testing::HasSubstr("50 Mbit/s free")));
}

// Ranks 1 and 2 share a way out; rank 0 is the router, 3 and 4 are decode workers.
TopologyConfig rack(double rate_bytes_per_s) { return {{{"rack", {1, 2}, rate_bytes_per_s}}}; }

TEST(LinkBoard, AnUplinksFreeRateIsWhatNobodyUses) {
  LinkBoard board(rack(1000 * kMbit));
  board.take(1, {{report_of(3, 9e7, 200 * kMbit), report_of(4, 9e7, 100 * kMbit)}}, kSecond);
  board.take(2, {{report_of(3, 9e7, 300 * kMbit), report_of(1, 9e7, 50 * kMbit)}}, kSecond);
  board.take(4, {{report_of(1, 9e7, 70 * kMbit)}}, kSecond);
  const auto snapshot = snapshot_of(board, kSecond);
  ASSERT_EQ(snapshot.uplinks.size(), 2U);
  const auto& out = snapshot.uplinks[0];
  EXPECT_TRUE(out.is_outward);
  EXPECT_THAT(out.nodes, ElementsAre(1, 2));
  EXPECT_DOUBLE_EQ(out.figures.goodput_bytes_per_s, 600 * kMbit);
  EXPECT_DOUBLE_EQ(out.figures.free_bytes_per_s, 400 * kMbit);
  EXPECT_DOUBLE_EQ(out.figures.utilization, 0.6);
  EXPECT_EQ(out.figures.queued_bytes, 3000U);
  EXPECT_EQ(out.busy_links, 3);
  const auto& in = snapshot.uplinks[1];
  EXPECT_FALSE(in.is_outward);
  EXPECT_DOUBLE_EQ(in.figures.goodput_bytes_per_s, 70 * kMbit);
  EXPECT_DOUBLE_EQ(in.figures.free_bytes_per_s, 930 * kMbit);
  // Whose report is old sends nothing now.
  EXPECT_DOUBLE_EQ(snapshot_of(board, 9 * kSecond).uplinks[0].figures.free_bytes_per_s,
                   1000 * kMbit);
  EXPECT_EQ(snapshot_of(board, 9 * kSecond).uplinks[0].busy_links, 0);
}

TEST(LinkBoard, AnUplinkThatIsNotDeclaredHasCarriedItsCapacity) {
  LinkBoard board(rack(0.0));
  EXPECT_EQ(snapshot_of(board, 0).uplinks[0].figures.age_us, -1);
  EXPECT_EQ(snapshot_of(board, 0).uplinks[0].figures.capacity_bytes_per_s, 0.0);
  // Without a queue the traffic was all there was to send.
  LinkReport light = report_of(3, 9e7, 400 * kMbit);
  light.queued_bytes = 0;
  board.take(1, {{light}}, kSecond);
  EXPECT_EQ(snapshot_of(board, kSecond).uplinks[0].figures.capacity_bytes_per_s, 0.0);
  board.take(1, {{report_of(3, 9e7, 500 * kMbit)}}, 2 * kSecond);
  board.take(2, {{report_of(4, 9e7, 300 * kMbit)}}, 2 * kSecond);
  board.take(1, {{report_of(3, 9e7, 100 * kMbit)}}, 3 * kSecond);
  const auto figures = snapshot_of(board, 3 * kSecond).uplinks[0].figures;
  EXPECT_DOUBLE_EQ(figures.capacity_bytes_per_s, 800 * kMbit);
  EXPECT_DOUBLE_EQ(figures.free_bytes_per_s, 400 * kMbit);
  EXPECT_EQ(figures.age_us, 0);
  // A way that has become narrow is found out, in the second period after the last proof.
  for (int i = 0; i < 130; ++i) {
    board.take(1, {{report_of(3, 9e7, 100 * kMbit)}}, (4 + i) * kSecond);
  }
  EXPECT_DOUBLE_EQ(snapshot_of(board, 133 * kSecond).uplinks[0].figures.capacity_bytes_per_s,
                   100 * kMbit);
}

TEST(LinkBoard, OthersTrafficIsCountedOncePerCard) {
  // Rank 1's card carries 200 + 100 of its own and 50 of others; each link sees the rest.
  const auto take_all = [](LinkBoard& board) {
    LinkReport first = report_of(3, 9e7, 200 * kMbit);
    first.other_bytes_per_s = 150 * kMbit;
    LinkReport second = report_of(4, 9e7, 100 * kMbit);
    second.other_bytes_per_s = 250 * kMbit;
    board.take(1, {{first, second}}, kSecond);
  };
  LinkBoard alone(rack(1000 * kMbit));
  take_all(alone);
  auto figures = snapshot_of(alone, kSecond).uplinks[0].figures;
  EXPECT_DOUBLE_EQ(figures.other_bytes_per_s, 50 * kMbit);
  EXPECT_DOUBLE_EQ(figures.free_bytes_per_s, 650 * kMbit);
  EXPECT_EQ(snapshot_of(alone, kSecond).uplinks[1].figures.other_bytes_per_s, 0.0);
  // Rank 2 on the same host has sent those 50.
  LinkBoard shared(rack(1000 * kMbit), {"a", "a", "a", "b", "c"});
  take_all(shared);
  LinkReport third = report_of(3, 9e7, 50 * kMbit);
  third.other_bytes_per_s = 300 * kMbit;
  shared.take(2, {{third}}, kSecond);
  figures = snapshot_of(shared, kSecond).uplinks[0].figures;
  EXPECT_EQ(figures.other_bytes_per_s, 0.0);
  EXPECT_DOUBLE_EQ(figures.goodput_bytes_per_s, 350 * kMbit);
}

TEST(LinkBoard, NonsenseIsNothing) {
  LinkBoard board(rack(0.0));
  LinkReport report = report_of(3, std::nan(""), std::numeric_limits<double>::infinity());
  report.other_bytes_per_s = -5.0;
  report.utilization = 7.0;
  report.age_us = INT64_MIN;
  report.round_trip_us = -1;
  board.take(1, {{report}}, kSecond);
  board.take(1, {{report}}, 2 * kSecond);
  const auto snapshot = snapshot_of(board, 2 * kSecond);
  EXPECT_EQ(snapshot.links[0].figures.free_bytes_per_s, 0.0);
  EXPECT_EQ(snapshot.links[0].figures.goodput_bytes_per_s, 0.0);
  EXPECT_EQ(snapshot.links[0].figures.other_bytes_per_s, 0.0);
  EXPECT_EQ(snapshot.links[0].figures.utilization, 1.0);
  EXPECT_EQ(snapshot.links[0].figures.age_us, -1);
  EXPECT_EQ(snapshot.links[0].round_trip_us, 0);
  EXPECT_EQ(snapshot.uplinks[0].figures.capacity_bytes_per_s, 0.0);
  EXPECT_THAT(texts(board), IsEmpty());
}

TEST(RateText, HasThreeFiguresAtMost) {
  EXPECT_EQ(rate_text(0.0), "0.0 kbit/s");
  EXPECT_EQ(rate_text(48 * kMbit), "48 Mbit/s");
  EXPECT_EQ(rate_text(5.5 * kMbit), "5.5 Mbit/s");
  EXPECT_EQ(rate_text(940 * kMbit), "940 Mbit/s");
  EXPECT_EQ(rate_text(999.7 * kMbit), "1.0 Gbit/s");
  EXPECT_EQ(rate_text(9'400 * kMbit), "9.4 Gbit/s");
  EXPECT_EQ(rate_text(9'960 * kMbit), "10 Gbit/s");
  EXPECT_EQ(rate_text(0.5 * kMbit), "500 kbit/s");
  EXPECT_EQ(rate_text(2e6 * kMbit), "2.0 Tbit/s");
}

}  // namespace
}  // namespace sluice::runtime
