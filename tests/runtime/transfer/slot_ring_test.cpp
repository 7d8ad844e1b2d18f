// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/slot_ring.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sluice::runtime {
namespace {

TEST(SlotRing, PlacesFollowEachOtherOnTheirBoundaryAndStartOverWhenAllAreFree) {
  SlotRing ring(1000);
  EXPECT_EQ(ring.room_bytes(), 1000U);
  ring.make_room(300);
  EXPECT_EQ(ring.place(100, 7), 0U);
  EXPECT_EQ(ring.place(100, 8), 128U);
  EXPECT_EQ(ring.room_bytes(), 1000U - 256U);
  EXPECT_EQ(ring.find(128), std::optional<std::uint32_t>(8));
  EXPECT_EQ(ring.find(64), std::nullopt);
  EXPECT_EQ(ring.find(~std::uint64_t{0}), std::nullopt);
  ring.release(128);
  EXPECT_EQ(ring.find(128), std::nullopt);
  EXPECT_EQ(ring.room_bytes(), 1000U - 256U);  // the first one is still in the way
  ring.release(0);
  EXPECT_EQ(ring.room_bytes(), 1000U);
  ring.make_room(1000);
  EXPECT_EQ(ring.place(1000, 9), 0U);
  EXPECT_EQ(ring.room_bytes(), 0U);
}

TEST(SlotRing, WhatDoesNotFitBeforeTheEndGoesToTheStart) {
  SlotRing ring(1024);
  ring.make_room(600);
  EXPECT_EQ(ring.place(600, 0), 0U);
  ring.make_room(300);
  EXPECT_EQ(ring.place(300, 1), 640U);
  EXPECT_EQ(ring.room_bytes(), 64U);
  ring.release(0);
  EXPECT_EQ(ring.room_bytes(), 640U);
  ring.make_room(500);
  EXPECT_EQ(ring.place(500, 2), 0U);
  EXPECT_EQ(ring.find(0), std::optional<std::uint32_t>(2));
  EXPECT_EQ(ring.find(640), std::optional<std::uint32_t>(1));
}

TEST(SlotRing, PlacesNeverOverlapWhateverTheOrderInWhichTheyComeBack) {
  std::mt19937 random(5);
  for (const std::uint64_t bytes : {4096U, 5000U, 70000U}) {
    SlotRing ring(bytes);
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint32_t>> taken;
    for (std::uint32_t turn = 0; turn < 4000; ++turn) {
      const std::uint64_t wanted = 1 + random() % (bytes / 3);
      if (random() % 2 == 0 && wanted <= ring.room_bytes()) {
        ring.make_room(wanted);
        const std::uint64_t offset = ring.place(wanted, turn);
        EXPECT_EQ(offset % SlotRing::kAlignmentBytes, 0U);
        ASSERT_LE(offset + wanted, bytes);
        const auto next = taken.lower_bound(offset);
        if (next != taken.end()) {
          ASSERT_LE(offset + wanted, next->first);
        }
        if (next != taken.begin()) {
          ASSERT_LE(std::prev(next)->first + std::prev(next)->second.first, offset);
        }
        taken[offset] = {wanted, turn};
      } else if (!taken.empty()) {
        auto place = taken.begin();
        std::advance(place, random() % taken.size());
        EXPECT_EQ(ring.find(place->first), std::optional<std::uint32_t>(place->second.second));
        ring.release(place->first);
        taken.erase(place);
      }
    }
    for (const auto& [offset, place] : taken) ring.release(offset);
    EXPECT_TRUE(ring.is_empty());
    EXPECT_EQ(ring.room_bytes(), bytes);
  }
}

}  // namespace
}  // namespace sluice::runtime
