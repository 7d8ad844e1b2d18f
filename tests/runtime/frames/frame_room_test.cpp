// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_room.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

std::unique_ptr<const kernels::Pipeline> pipeline_of(std::vector<kernels::StageSpec> stages,
                                                     const std::string& name = "p") {
  return kernels::Pipeline::create({.name = name, .summary = "", .stages = std::move(stages)},
                                   {.layers = 3, .kv_heads = 2, .head_dim = 32, .rope = {}},
                                   nullptr)
      .value();
}

TEST(FrameRoom, EveryFrameHasRoomForBothAndNoneLiesOverAnother) {
  const auto raw = pipeline_of({});
  // What it says of itself alone is longer than a cache line.
  const auto coded = pipeline_of({{"rtn", {{"bits", 4.0}}}}, std::string(64, 'n'));
  const FramePlan plan = plan_frames(*raw, 70, 32);
  ASSERT_FALSE(has_room_for(plan, *coded));
  const FramePlan roomy = with_room_for(plan, *coded);
  EXPECT_TRUE(has_room_for(roomy, *raw));
  EXPECT_TRUE(has_room_for(roomy, *coded));
  ASSERT_EQ(roomy.frames.size(), plan.frames.size());
  std::size_t end = 0;
  for (std::size_t i = 0; i < roomy.frames.size(); ++i) {
    const PlannedFrame& frame = roomy.frames[i];
    EXPECT_EQ(frame.range(), plan.frames[i].range());
    EXPECT_EQ(frame.first_token, plan.frames[i].first_token);
    EXPECT_EQ(frame.last_token, plan.frames[i].last_token);
    EXPECT_EQ(frame.offset, end);
    EXPECT_EQ(frame.offset % 64, 0U);
    end += frame.bytes_max;
  }
  EXPECT_EQ(roomy.bytes, end);
}

TEST(FrameRoom, WhatFitsChangesNothing) {
  const auto raw = pipeline_of({});
  const FramePlan plan = plan_frames(*raw, 70, 32);
  EXPECT_TRUE(has_room_for(plan, *raw));
  EXPECT_EQ(with_room_for(plan, *raw).bytes, plan.bytes);
}

}  // namespace
}  // namespace sluice::runtime
