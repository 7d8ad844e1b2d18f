// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/block.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace sluice {
namespace {

const HostBlock kBlock(7);

TEST(HostBlock, EachVisitsEveryIndexOnce) {
  std::vector<int> visits(100, 0);
  kBlock.each(100, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
  EXPECT_EQ(visits, std::vector<int>(100, 1));
  EXPECT_EQ(kBlock.index(), 7);
}

// The order is part of the contract, since the GPU adds in the same one: lane sums, then halves.
TEST(HostBlock, ReduceSumAddsLanesThenHalves) {
  // Lanes 0, 8 and 16 hold 1, 2^24 and -2^24. Halving pairs 0 with 16 first: 1 - 2^24 is exact, and
  // with 2^24 of lane 8 it is 1. From left to right, 1 + 2^24 would lose the 1.
  const auto value = [](std::int64_t i) {
    return i == 0 ? 1.0F : i == 8 ? 0x1p24F : i == 16 ? -0x1p24F : 0.0F;
  };
  EXPECT_EQ(kBlock.reduce_sum(32, value), 1.0F);
  // 40 values: lane 0 has two of them.
  EXPECT_EQ(kBlock.reduce_sum(40, [](std::int64_t i) { return static_cast<float>(i); }), 780.0F);
  EXPECT_EQ(kBlock.reduce_sum(0, value), 0.0F);
}

TEST(HostBlock, ReduceMaxHasAFloor) {
  const auto value = [](std::int64_t i) { return static_cast<float>(i % 50) - 10.0F; };
  EXPECT_EQ(kBlock.reduce_max(120, -100.0F, value), 39.0F);
  EXPECT_EQ(kBlock.reduce_max(5, 0.0F, value), 0.0F);
}

TEST(HostBlock, ScanPlacesTheSumOfWhatCameBefore) {
  std::vector<std::uint32_t> before(70);
  const std::uint32_t total = kBlock.scan(
      70, [](std::int64_t i) { return static_cast<std::uint32_t>(i); },
      [&](std::int64_t i, std::uint32_t sum) { before[static_cast<std::size_t>(i)] = sum; });
  EXPECT_EQ(total, 69U * 70U / 2U);
  for (std::uint32_t i = 1; i < 70; ++i) EXPECT_EQ(before[i], i * (i - 1) / 2) << i;
}

TEST(HostBlock, BallotHasABitForEachLane) {
  EXPECT_EQ(kBlock.ballot([](int lane) { return lane == 0 || lane == 31; }), 0x80000001U);
}

TEST(RunOnHost, RunsTheBodyForEachIndex) {
  std::vector<std::int64_t> indices;
  run_on_host(3, [&](const HostBlock& block) { indices.push_back(block.index()); });
  EXPECT_EQ(indices, (std::vector<std::int64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace sluice
