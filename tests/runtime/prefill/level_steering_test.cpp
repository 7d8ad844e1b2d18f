// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/level_steering.hpp"

#include <gtest/gtest.h>

#include "runtime/frames/frame_plan.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kTokens = 1000;
constexpr std::int64_t kStartUs = 5'000'000;

std::shared_ptr<const kernels::Pipeline> pipeline_of(const char* name, double bits) {
  return kernels::Pipeline::create(
             {.name = name, .summary = "", .stages = {{"rtn", {{"bits", bits}}}}},
             {.layers = 10, .kv_heads = 2, .head_dim = 8, .rope = {}}, nullptr)
      .value();
}

scheduler::LevelTable table() {
  const auto row = [](const char* name, double bytes_per_token, double kl) {
    scheduler::Level level;
    level.pipeline = name;
    level.bytes_per_token = bytes_per_token;
    level.kl = kl;
    level.is_streaming = true;
    return level;
  };
  scheduler::LevelTable table;
  table.raw_bytes_per_token = 2000.0;
  table.prefill_s_per_token = 1e-3;
  table.levels = {row("fine", 1000.0, 0.01), row("middle", 500.0, 0.02), row("coarse", 100.0, 0.1)};
  return table;
}

// A handoff of 1,000 tokens in frames of 500 tokens and one of ten layers, with an objective of two
// seconds; a megabyte a second is what `fine` needs to be in time.
struct Handoff {
  std::vector<std::shared_ptr<const kernels::Pipeline>> pipelines{
      pipeline_of("fine", 8.0), pipeline_of("middle", 4.0), pipeline_of("coarse", 2.0)};
  FramePlan plan = plan_frames(*pipelines[0], kTokens, 500);
  LevelSteering steering;
  std::size_t next = 0;

  explicit Handoff(std::int32_t level)
      : steering({.levels = std::make_shared<const scheduler::LevelTable>(table()),
                  .candidates = {{0, pipelines[0]}, {1, pipelines[1]}, {2, pipelines[2]}},
                  .level = level,
                  .deadline_us = kStartUs + 2'000'000},
                 plan, kTokens) {}

  void see(double bytes_per_s, std::uint64_t flushed_bytes = 0, std::uint64_t queued_bytes = 0) {
    steering.see_link({.bytes_per_s = bytes_per_s, .queued_bytes = queued_bytes}, flushed_bytes);
  }
  // The next frame, at so many microseconds from the start.
  std::string make(std::int64_t at_us, std::size_t bytes = 50'000) {
    const PlannedFrame& frame = plan.frames[next];
    const double computed = static_cast<double>(++next) / static_cast<double>(plan.frames.size());
    MadeFrame made{.place = frame, .bytes = bytes};
    made.pipeline = steering.choose(frame, computed, kStartUs + at_us);
    steering.made(made);
    return made.pipeline->name();
  }
};

TEST(LevelSteering, WhileNothingIsKnownOfTheLinkItStaysAsPlaced) {
  Handoff handoff(1);
  EXPECT_EQ(handoff.steering.first(), "");
  for (std::int64_t i = 0; i < 20; ++i) EXPECT_EQ(handoff.make(i * 50'000), "middle");
  EXPECT_EQ(handoff.steering.first(), "middle");
  EXPECT_EQ(handoff.steering.levels(), "");
}

TEST(LevelSteering, ALinkThatSlowsDownMakesItCoarser) {
  Handoff handoff(0);
  handoff.see(2e6);
  for (std::int64_t i = 0; i < 10; ++i) EXPECT_EQ(handoff.make(i * 50'000), "fine");
  handoff.see(1e5, 500'000);
  for (std::int64_t i = 10; i < 18; ++i) EXPECT_EQ(handoff.make(i * 50'000, 5'000), "coarse");
  EXPECT_EQ(handoff.steering.first(), "fine");
  EXPECT_EQ(handoff.steering.levels(), "fine 5 layers, coarse 4");
}

TEST(LevelSteering, ALinkThatGetsFasterMakesItFiner) {
  Handoff handoff(2);
  handoff.see(1e5);
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(handoff.make(i * 50'000, 5'000), "coarse");
  handoff.see(1e8, 25'000);
  for (std::int64_t i = 5; i < 20; ++i) EXPECT_EQ(handoff.make(i * 50'000), "fine");
  EXPECT_EQ(handoff.steering.levels(), "coarse 2.5 layers, fine 7.5");
}

TEST(LevelSteering, AChangeBeforeTheFirstFrameIsOneToo) {
  Handoff handoff(2);
  handoff.see(1e8);
  for (std::int64_t i = 0; i < 20; ++i) EXPECT_EQ(handoff.make(i * 50'000), "fine");
  EXPECT_EQ(handoff.steering.first(), "fine");
  EXPECT_EQ(handoff.steering.levels(), "fine 10 layers");
}

TEST(LevelSteering, WhatIsMadeAndNotYetThroughTheLinkIsAhead) {
  Handoff handoff(0);
  handoff.see(2e6);
  EXPECT_EQ(handoff.make(0, 4'000'000), "fine");
  EXPECT_NE(handoff.make(0), "fine");  // two seconds' worth waits
  Handoff flushed(0);
  flushed.see(2e6);
  EXPECT_EQ(flushed.make(0, 4'000'000), "fine");
  flushed.see(2e6, 4'000'000);
  EXPECT_EQ(flushed.make(0), "fine");
}

TEST(LevelSteering, WhatOthersHaveQueuedIsAhead) {
  Handoff handoff(0);
  handoff.see(2e6, 0, 3'500'000);
  EXPECT_NE(handoff.make(0), "fine");
}

TEST(LevelSteering, ARateThatWaversChangesNothing) {
  Handoff handoff(1);
  for (std::int64_t i = 0; i < 20; ++i) {
    // At one of the rates the finer level would just be in time.
    const double left_bytes = static_cast<double>(20 - i) * 25'000.0;
    const double left_s = 2.0 - 0.05 * static_cast<double>(i);
    handoff.see(left_bytes / left_s * (i % 2 == 0 ? 2.1 : 2.4),
                static_cast<std::uint64_t>(i) * 25'000);
    EXPECT_EQ(handoff.make(i * 50'000, 25'000), "middle") << i;
  }
}

}  // namespace
}  // namespace sluice::runtime
