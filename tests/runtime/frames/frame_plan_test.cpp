// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace sluice::runtime {
namespace {

std::unique_ptr<const kernels::Pipeline> pipeline_of(std::vector<kernels::StageSpec> stages) {
  const kernels::CacheShape shape{.layers = 5, .kv_heads = 2, .head_dim = 8, .rope = {}};
  return kernels::Pipeline::create({.name = "p", .summary = "", .stages = std::move(stages)}, shape,
                                   nullptr)
      .value();
}

void expect_sound(const FramePlan& plan, const kernels::Pipeline& pipeline, std::int64_t tokens) {
  ASSERT_EQ(plan.frames.size(), static_cast<std::size_t>(plan.groups * plan.parts));
  std::size_t offset = 0;
  std::int64_t cells = 0;
  for (const PlannedFrame& frame : plan.frames) {
    EXPECT_EQ(frame.offset, offset);
    EXPECT_EQ(frame.offset % 64, 0U);
    EXPECT_GE(frame.bytes_max,
              pipeline.frame_bytes_max(frame.last_token - frame.first_token, frame.layer_count));
    offset += frame.bytes_max;
    cells += frame.layer_count * (frame.last_token - frame.first_token);
  }
  EXPECT_EQ(plan.bytes, offset);
  EXPECT_EQ(cells, 5 * tokens);
}

TEST(FramePlan, AStreamingPipelineGetsPartsThatEndWhereChunksDo) {
  const auto raw = pipeline_of({});
  const auto ends = [&](std::int64_t tokens, std::int64_t chunk) {
    const FramePlan plan = plan_frames(*raw, tokens, chunk);
    expect_sound(plan, *raw, tokens);
    std::vector<std::int64_t> result;
    for (std::size_t i = 0; i < plan.frames.size(); i += 5) {
      result.push_back(plan.frames[i].last_token);
    }
    return result;
  };
  using Ends = std::vector<std::int64_t>;
  EXPECT_EQ(ends(1, 512), (Ends{1}));
  EXPECT_EQ(ends(512, 512), (Ends{512}));
  EXPECT_EQ(ends(1100, 512), (Ends{512, 1024, 1100}));
  EXPECT_EQ(ends(70, 32), (Ends{32, 64, 70}));
  EXPECT_EQ(ends(2000, 700), (Ends{512, 700, 1212, 1400, 1912, 2000}));
  EXPECT_EQ(ends(1500, 1 << 30), (Ends{512, 1024, 1500}));
}

TEST(FramePlan, OthersGetOneFrameForEachGroupOfLayers) {
  const auto waits = pipeline_of({{"streaming", {{"budget", 0.5}}}});
  ASSERT_FALSE(waits->is_streaming());
  const FramePlan plan = plan_frames(*waits, 1100, 512);
  expect_sound(plan, *waits, 1100);
  EXPECT_EQ(plan.parts, 1);
  EXPECT_EQ(plan.groups, 5);
  const auto shares = pipeline_of({{"xkv", {{"layers", 2.0}}}});
  const FramePlan grouped = plan_frames(*shares, 40, 512);
  expect_sound(grouped, *shares, 40);
  EXPECT_EQ(grouped.groups, 3);
  EXPECT_EQ(grouped.frames.back().layer_first, 4);
  EXPECT_EQ(grouped.frames.back().layer_count, 1);
}

TEST(FramePlan, APartOfTheCacheIsPlannedForItself) {
  const auto raw = pipeline_of({});
  EXPECT_EQ(plan_frames(*raw, 70, 32).range, (CacheRange{0, 5, 0, 2}));
  const CacheRange part{2, 3, 1, 1};
  const FramePlan plan = plan_frames(*raw, 70, 32, part);
  EXPECT_EQ(plan.range, part);
  EXPECT_EQ(plan.groups, 3);
  EXPECT_EQ(plan.parts, 3);
  std::size_t offset = 0;
  for (const PlannedFrame& frame : plan.frames) {
    EXPECT_EQ(frame.range().head_first, 1);
    EXPECT_EQ(frame.range().head_count, 1);
    EXPECT_EQ(frame.offset, offset);
    offset += frame.bytes_max;
  }
  EXPECT_EQ(plan.frames.front().layer_first, 2);
  EXPECT_EQ(plan.frames.back().layer_first, 4);
  EXPECT_EQ(plan.bytes, offset);
  EXPECT_LT(plan.bytes, plan_frames(*raw, 70, 32).bytes / 3);
}

TEST(FramePlan, FramesMayBeginWhereTheTargetsOwnEnd) {
  const auto raw = pipeline_of({});
  const FramePlan whole = plan_frames(*raw, 1100, 512);
  for (const std::int64_t first : {32, 512, 992, 1024, 1099}) {
    const FramePlan plan = plan_frames(*raw, 1100, 512, first);
    ASSERT_EQ(plan.frames.size(), static_cast<std::size_t>(plan.groups * plan.parts));
    EXPECT_EQ(plan.parts, whole.parts - first / 512);
    EXPECT_EQ(plan.frames.front().first_token, first);
    std::size_t offset = 0;
    for (std::size_t i = 0; i < plan.frames.size(); ++i) {
      const PlannedFrame& frame = plan.frames[i];
      const PlannedFrame& of_whole = whole.frames[whole.frames.size() - plan.frames.size() + i];
      EXPECT_EQ(frame.last_token, of_whole.last_token);
      EXPECT_EQ(frame.first_token, std::max(first, of_whole.first_token));
      EXPECT_EQ(frame.layer_first, of_whole.layer_first);
      EXPECT_EQ(frame.offset, offset);
      offset += frame.bytes_max;
    }
    EXPECT_EQ(plan.bytes, offset);
    EXPECT_LT(plan.bytes, whole.bytes);
  }
}

TEST(FramePlan, OnlyWhatStreamsWithoutScoresKeepsPrefixes) {
  EXPECT_TRUE(keeps_prefixes(*pipeline_of({})));
  EXPECT_TRUE(keeps_prefixes(*pipeline_of({{"rtn", {{"bits", 4.0}, {"group", 8.0}}}})));
  EXPECT_FALSE(keeps_prefixes(*pipeline_of({{"streaming", {{"budget", 0.5}}}})));
  EXPECT_FALSE(keeps_prefixes(*pipeline_of({{"snapkv", {{"budget", 0.5}}}})));
}

}  // namespace
}  // namespace sluice::runtime
