// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/human_number.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(HumanNumber, Counts) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1,000");
  EXPECT_EQ(human_count(1234567), "1,234,567");
  EXPECT_EQ(human_count(-123), "-123");
  EXPECT_EQ(human_count(-1234), "-1,234");
}

TEST(HumanNumber, BytesAndRates) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.00 kB");
  EXPECT_EQ(human_bytes(46'900'000), "46.9 MB");
  EXPECT_EQ(human_bytes(999'400'000), "999 MB");
  EXPECT_EQ(human_bytes(999'600'000), "1.00 GB");
  EXPECT_EQ(human_bytes(99'960'000), "100 MB");
  EXPECT_EQ(human_bytes(1e21), "1000000 PB");
  EXPECT_EQ(human_rate(2.21e9), "2.21 GB/s");
}

}  // namespace
}  // namespace sluice::runtime
