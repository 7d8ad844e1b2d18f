// SPDX-License-Identifier: Apache-2.0
#include "scheduler/link_outlook.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace sluice::scheduler {
namespace {

constexpr double kMb = 1e6;

LinkState link(std::uint32_t prefill, std::uint32_t decode, double free) {
  LinkState made{prefill, decode, {}, 0};
  made.figures.capacity_bytes_per_s = made.figures.free_bytes_per_s = free;
  return made;
}

UplinkState uplink(std::vector<std::uint32_t> nodes, bool is_outward, double capacity,
                   double free) {
  UplinkState made{0, std::move(nodes), is_outward, {}};
  made.figures.capacity_bytes_per_s = capacity;
  made.figures.free_bytes_per_s = free;
  return made;
}

TEST(LinkOutlook, IsOfThePairOrAssumed) {
  Snapshot snapshot;
  snapshot.assumed_bytes_per_s = 7 * kMb;
  snapshot.links = {link(1, 3, kMb), link(1, 4, 2 * kMb), link(2, 3, 0)};
  snapshot.links[1].figures.queued_bytes = 99;
  snapshot.links[1].round_trip_us = 250;
  const LinkOutlook known = link_outlook(snapshot, 1, 4);
  EXPECT_EQ(known.bytes_per_s, 2 * kMb);
  EXPECT_EQ(known.queued_bytes, 99U);
  EXPECT_DOUBLE_EQ(known.round_trip_s, 250e-6);
  EXPECT_EQ(link_outlook(snapshot, 2, 4).bytes_per_s, 7 * kMb);
  EXPECT_EQ(link_outlook(snapshot, 2, 3).bytes_per_s, 7 * kMb) << "a rate of 0 is not known";
  snapshot.assumed_bytes_per_s = 0;
  EXPECT_EQ(link_outlook(snapshot, 9, 9).bytes_per_s, 0);
}

TEST(LinkOutlook, TheNarrowestUplinkOnTheWayCounts) {
  Snapshot snapshot;
  snapshot.links = {link(1, 3, 100 * kMb)};
  snapshot.uplinks = {uplink({1, 2}, true, 50 * kMb, 40 * kMb),
                      uplink({3}, false, 50 * kMb, 30 * kMb),
                      uplink({3}, true, 50 * kMb, 1 * kMb),     // the other direction
                      uplink({1, 3}, true, 50 * kMb, 1 * kMb),  // within it
                      uplink({1, 2}, true, 0, 0)};              // never measured
  EXPECT_EQ(link_outlook(snapshot, 1, 3).bytes_per_s, 30 * kMb);
}

TEST(LinkOutlook, AFullUplinkIsShared) {
  Snapshot snapshot;
  snapshot.links = {link(1, 3, 100 * kMb)};
  snapshot.uplinks = {uplink({1, 2}, true, 60 * kMb, 0)};
  snapshot.uplinks[0].busy_links = 2;
  EXPECT_EQ(link_outlook(snapshot, 1, 3).bytes_per_s, 20 * kMb);
  snapshot.uplinks[0].figures.free_bytes_per_s = 25 * kMb;
  EXPECT_EQ(link_outlook(snapshot, 1, 3).bytes_per_s, 25 * kMb);
}

TEST(LinkOutlook, WhatIsPlannedIsAheadToo) {
  Snapshot snapshot;
  snapshot.links = {link(1, 3, kMb)};
  snapshot.links[0].figures.queued_bytes = 10;
  snapshot.links[0].planned_bytes = 50;
  EXPECT_EQ(link_outlook(snapshot, 1, 3).queued_bytes, 50U);
  snapshot.links[0].planned_bytes = 5;
  EXPECT_EQ(link_outlook(snapshot, 1, 3).queued_bytes, 10U);
}

// Looked up by hand, whatever is missing, in whatever order the workers are asked for.
TEST(LinkOutlooks, AreThoseOfEachPair) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    Snapshot snapshot;
    snapshot.assumed_bytes_per_s = static_cast<double>(random() % 2) * kMb;
    const std::uint32_t share = random() % 4;
    for (std::uint32_t prefill = 0; prefill < 12; ++prefill) {
      for (std::uint32_t decode = 12; decode < 40; ++decode) {
        if (random() % 4 >= share) continue;
        snapshot.links.push_back(link(prefill, decode, static_cast<double>(random() % 50) * kMb));
        snapshot.links.back().round_trip_us = static_cast<std::int64_t>(random() % 100);
      }
    }
    for (std::uint32_t i = 0; i < 6; ++i) {
      std::vector<std::uint32_t> nodes;
      for (std::uint32_t node = 0; node < 40; ++node) {
        if (random() % 4 == 0) nodes.push_back(node);
      }
      const double capacity = static_cast<double>(random() % 50) * kMb;
      snapshot.uplinks.push_back(uplink(nodes, random() % 2 == 0, capacity, capacity / 2));
      snapshot.uplinks.back().busy_links = static_cast<std::int64_t>(random() % 3);
    }
    std::vector<std::uint32_t> prefill = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    std::vector<std::uint32_t> decode = {12, 13, 20, 21, 22, 30, 39};
    std::shuffle(prefill.begin(), prefill.end(), random);
    std::shuffle(decode.begin(), decode.end(), random);
    std::vector<LinkOutlook> outlooks(prefill.size() * decode.size());
    link_outlooks(snapshot, prefill, decode, outlooks);
    for (std::size_t i = 0; i < outlooks.size(); ++i) {
      const std::uint32_t source = prefill[i / decode.size()];
      const std::uint32_t target = decode[i % decode.size()];
      double rate = 0;
      double round_trip_s = 0;
      for (const LinkState& one : snapshot.links) {
        if (one.prefill_node != source || one.decode_node != target) continue;
        rate = one.figures.free_bytes_per_s;
        round_trip_s = 1e-6 * static_cast<double>(one.round_trip_us);
      }
      if (rate == 0) rate = snapshot.assumed_bytes_per_s;
      for (const UplinkState& one : snapshot.uplinks) {
        const double capacity = one.figures.capacity_bytes_per_s;
        if (capacity == 0 || !one.carries(source, target)) continue;
        const double share_of =
            std::max(one.figures.free_bytes_per_s,
                     capacity / static_cast<double>(1 + std::max(one.busy_links, std::int64_t{1})));
        rate = rate == 0 ? share_of : std::min(rate, share_of);
      }
      EXPECT_EQ(outlooks[i].bytes_per_s, rate);
      EXPECT_EQ(outlooks[i].round_trip_s, round_trip_s);
    }
  }
}

}  // namespace
}  // namespace sluice::scheduler
