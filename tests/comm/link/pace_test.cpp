// SPDX-License-Identifier: Apache-2.0
#include "comm/link/pace.hpp"

#include <gtest/gtest.h>

#include <bit>

namespace sluice::comm {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = kKiB * 1024;

Pace at(double bytes_per_s, std::int64_t round_trip_us = 0) {
  LinkEstimate link;
  link.capacity_bytes_per_s = link.free_bytes_per_s = bytes_per_s;
  link.round_trip_us = round_trip_us;
  return pace_for(link);
}

TEST(Pace, AnUnknownLinkStartsWithLargeChunks) {
  const Pace pace = pace_for(LinkEstimate{});
  EXPECT_EQ(pace.chunk_bytes, 2 * kMiB);
  EXPECT_EQ(pace.window_bytes, 8 * kMiB);
}

TEST(Pace, AChunkTakesTwoToFourMilliseconds) {
  for (double rate = 20e6; rate < 2e9; rate *= 1.37) {
    const Pace pace = at(rate);
    const double seconds = static_cast<double>(pace.chunk_bytes) / rate;
    EXPECT_GE(seconds, 2e-3) << rate;
    // The smallest chunk takes longer on a slow link.
    EXPECT_TRUE(seconds <= 4e-3 || pace.chunk_bytes == 64 * kKiB) << rate;
    EXPECT_TRUE(std::has_single_bit(pace.chunk_bytes)) << rate;
    EXPECT_EQ(pace.window_bytes, 4 * pace.chunk_bytes) << rate;
  }
}

TEST(Pace, ChunksStayWithinTheirBounds) {
  EXPECT_EQ(at(1.0).chunk_bytes, 64 * kKiB);
  EXPECT_EQ(at(6.25e6).chunk_bytes, 64 * kKiB);
  EXPECT_EQ(at(50e9).chunk_bytes, 8 * kMiB);
  EXPECT_EQ(at(1e18).chunk_bytes, 8 * kMiB);
}

TEST(Pace, ALongWayNeedsItsBandwidthDelayProduct) {
  // 1.25 GB/s over 50 ms: 62.5 MB are under way.
  const Pace pace = at(1.25e9, 50'000);
  EXPECT_EQ(pace.chunk_bytes, 4 * kMiB);
  EXPECT_EQ(pace.window_bytes, 62'500'000 + 4 * kMiB);
  // What no way is long enough for is a round trip that had to queue.
  EXPECT_EQ(at(50e9, 10'000'000).window_bytes, 128 * kMiB + 8 * kMiB);
}

TEST(Pace, GoesByWhatIsFreeElseByTheCapacity) {
  LinkEstimate link;
  link.capacity_bytes_per_s = 1e9;
  EXPECT_EQ(pace_for(link).chunk_bytes, 2 * kMiB);
  link.free_bytes_per_s = 1e8;
  EXPECT_EQ(pace_for(link).chunk_bytes, 256 * kKiB);
}

}  // namespace
}  // namespace sluice::comm
