// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/codec_slowness.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(CodecSlowness, NothingMeasuredIsAsTheTableSays) {
  CodecSlowness slowness;
  EXPECT_EQ(slowness.value(), 1.0);
  slowness.add(1.0, 0.0);  // the table does not say
  EXPECT_EQ(slowness.value(), 1.0);
}

TEST(CodecSlowness, LargeFramesCountForMoreThanSmallOnes) {
  CodecSlowness slowness;
  slowness.add(0.3, 0.1);
  slowness.add(1.0, 1.0);
  EXPECT_NEAR(slowness.value(), 1.3 / 1.1, 0.01);
}

TEST(CodecSlowness, OneLateFrameAmongManyMovesItLittleAndAChangeIsFollowed) {
  CodecSlowness slowness;
  for (int i = 0; i < 200; ++i) slowness.add(0.2, 0.1);
  slowness.add(2.0, 0.1);
  EXPECT_LT(slowness.value(), 2.5);
  for (int i = 0; i < 300; ++i) slowness.add(0.05, 0.1);
  EXPECT_NEAR(slowness.value(), 0.5, 0.02);
}

}  // namespace
}  // namespace sluice::runtime
