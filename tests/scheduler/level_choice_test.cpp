// SPDX-License-Identifier: Apache-2.0
#include "scheduler/level_choice.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace sluice::scheduler {
namespace {

// Five levels, each half the bytes of the one before at four times its loss.
LevelTable table() {
  LevelTable levels;
  levels.raw_bytes_per_token = 16'000;
  double bytes = 16'000;
  double kl = 0.001;
  for (int i = 0; i < 5; ++i, bytes /= 2, kl *= 4) {
    Level level;
    level.bytes_per_token = bytes;
    level.encode_s_per_token = 1e-5;
    level.decode_s_per_token = 1e-5;
    level.kl = kl;
    levels.levels.push_back(level);
  }
  return levels;
}

constexpr std::array<std::int32_t, 5> kAll = {0, 1, 2, 3, 4};

// A thousand tokens are left: 16 MB raw. So much of the time may be used.
HandoffProgress progress(double time_left_s) {
  return {.time_left_s = time_left_s / LevelSwitchOptions{}.slo_share, .raw_bytes_left = 16e6};
}

std::int32_t choose(std::int32_t now, const HandoffProgress& left, double rate) {
  return choose_next_level(table(), kAll, now, left, {.bytes_per_s = rate}, 1.0);
}

TEST(ChooseNextLevel, GoesAsCoarseAsTheLinkMakesIt) {
  EXPECT_EQ(choose(0, progress(1.0), 20e6), 0);
  EXPECT_EQ(choose(0, progress(1.0), 9e6), 1);
  EXPECT_EQ(choose(0, progress(1.0), 4.5e6), 2);
  EXPECT_EQ(choose(1, progress(1.0), 1.5e6), 4);
  EXPECT_EQ(choose(0, progress(1.0), 1e3), 4) << "late at any level: the soonest";
}

TEST(ChooseNextLevel, ComesBackWithTimeToSpareOnly) {
  EXPECT_EQ(choose(3, progress(1.0), 5e6), 3);    // level 2 would take 0.8 of the time
  EXPECT_EQ(choose(3, progress(1.0), 5.5e6), 2);  // and now 0.73
  EXPECT_EQ(choose(3, progress(1.0), 100e6), 0);
}

TEST(ChooseNextLevel, WhatIsMadeAlreadyIsAheadOnTheWire) {
  HandoffProgress left = progress(1.0);
  left.wire_bytes_left = 8e6;
  EXPECT_EQ(choose(0, left, 10e6), 3);
  EXPECT_EQ(choose_next_level(table(), kAll, 0, progress(1.0),
                              {.bytes_per_s = 10e6, .queued_bytes = 8'000'000}, 1.0),
            3);
}

TEST(ChooseNextLevel, TheCodecsOfASlowMachineCount) {
  LevelTable levels = table();
  levels.levels[1].encode_s_per_token = 4e-4;
  EXPECT_EQ(choose_next_level(levels, kAll, 0, progress(1.0), {.bytes_per_s = 9e6}, 1.0), 1);
  EXPECT_EQ(choose_next_level(levels, kAll, 0, progress(1.0), {.bytes_per_s = 9e6}, 3.0), 2);
}

TEST(ChooseNextLevel, KeepsToTheCandidates) {
  constexpr std::array<std::int32_t, 2> some = {1, 3};
  EXPECT_EQ(choose_next_level(table(), some, 1, progress(1.0), {.bytes_per_s = 1e3}, 1.0), 3);
  EXPECT_EQ(choose_next_level(table(), some, 3, progress(1.0), {.bytes_per_s = 1e9}, 1.0), 1);
}

TEST(ChooseNextLevel, NothingKnownOrNothingLeftChangesNothing) {
  EXPECT_EQ(choose(2, progress(1.0), 0.0), 2);
  EXPECT_EQ(choose(2, {.time_left_s = -1.0}, 1e3), 2);
}

// Prefill alone ends after the objective: quality given away would gain nothing.
TEST(ChooseNextLevel, AnObjectiveThatPrefillMissesCostsNoQuality) {
  HandoffProgress left = progress(0.5);
  left.prefill_left_s = 4.0;
  EXPECT_EQ(choose(0, left, 4e6), 0);
  EXPECT_EQ(choose(4, left, 8e6), 0);
  EXPECT_EQ(choose(0, left, 2.1e6), 1) << "the wire is what is late then";
}

// The rate wavers by 10 % about any value: at most one change, wherever one begins.
TEST(ChooseNextLevel, AWaveringRateDoesNotMakeTheLevelWaver) {
  std::mt19937 random(1);
  for (double rate = 0.5e6; rate < 40e6; rate *= 1.07) {
    for (const std::int32_t begin : kAll) {
      std::int32_t now = begin;
      int changes = 0;
      for (int i = 0; i < 50; ++i) {
        const double wave = 0.9 + 0.2 * static_cast<double>(random()) / 4294967296.0;
        const std::int32_t next = choose(now, progress(1.0), rate * wave);
        changes += next != now ? 1 : 0;
        now = next;
      }
      // A second one where the first was taken at the top of the wave.
      EXPECT_LE(changes, 2) << "from level " << begin << " at " << rate;
    }
  }
}

// All else equal, a faster link never makes it coarser, nor does more time.
TEST(ChooseNextLevel, IsMonotone) {
  std::mt19937 random(2);
  const auto draw = [&] { return static_cast<double>(random()) / 4294967296.0; };
  for (int trial = 0; trial < 3000; ++trial) {
    const auto now = static_cast<std::int32_t>(random() % 5);
    HandoffProgress left = progress(draw() * 2);
    left.prefill_left_s = draw();
    left.wire_bytes_left = draw() * 1e6;
    const double rate = 1e5 + draw() * 2e7;
    EXPECT_LE(choose(now, left, rate * (1 + draw())), choose(now, left, rate));
    HandoffProgress longer = left;
    longer.time_left_s += draw();
    EXPECT_LE(choose(now, longer, rate), choose(now, left, rate));
  }
}

}  // namespace
}  // namespace sluice::scheduler
