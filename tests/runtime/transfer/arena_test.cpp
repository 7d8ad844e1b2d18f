// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/arena.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sluice::runtime {
namespace {

TEST(Arena, SlotsNeverOverlapAndAllComesBack) {
  constexpr std::size_t kBytes = 1 << 20;
  Arena arena(kBytes);
  std::map<std::size_t, std::size_t> taken;
  std::mt19937 random(1);
  for (int turn = 0; turn < 5000; ++turn) {
    if (!taken.empty() && random() % 2 == 0) {
      auto slot = taken.begin();
      std::advance(slot, random() % taken.size());
      arena.release(slot->first);
      taken.erase(slot);
      continue;
    }
    const std::size_t bytes = 1 + random() % 60000;
    const auto offset = arena.acquire(bytes);
    if (!offset) continue;
    EXPECT_EQ(*offset % Arena::kAlignmentBytes, 0U);
    EXPECT_LE(*offset + bytes, kBytes);
    const auto next = taken.lower_bound(*offset);
    if (next != taken.end()) {
      EXPECT_LE(*offset + bytes, next->first);
    }
    if (next != taken.begin()) {
      const auto previous = std::prev(next);
      EXPECT_LE(previous->first + previous->second, *offset);
    }
    taken.emplace(*offset, bytes);
  }
  for (const auto& [offset, bytes] : taken) arena.release(offset);
  EXPECT_EQ(arena.bytes_taken(), 0U);
  EXPECT_EQ(arena.acquire(kBytes), std::optional<std::size_t>(0));  // one run again
}

TEST(Arena, TooMuchIsNothing) {
  Arena arena(1024);
  EXPECT_FALSE(arena.acquire(1025).has_value());
  EXPECT_FALSE(arena.acquire(~std::size_t{0}).has_value());
  EXPECT_TRUE(arena.acquire(1024).has_value());
  EXPECT_FALSE(arena.acquire(1).has_value());
  EXPECT_FALSE(Arena(0).acquire(1).has_value());
}

TEST(Arena, TheLargestFreeRunIsWhatCanBeAcquired) {
  Arena arena(1024 + 100);  // the end is less than a unit
  EXPECT_EQ(arena.largest_free_bytes(), 1024U);
  const auto first = arena.acquire(300);
  EXPECT_EQ(arena.bytes_of(*first), 512U);
  const auto second = arena.acquire(200);
  EXPECT_EQ(arena.largest_free_bytes(), 256U);
  arena.release(*first);
  EXPECT_EQ(arena.largest_free_bytes(), 512U);
  EXPECT_TRUE(arena.acquire(512));
  arena.release(*second);
  EXPECT_EQ(arena.largest_free_bytes(), 512U);
}

}  // namespace
}  // namespace sluice::runtime
