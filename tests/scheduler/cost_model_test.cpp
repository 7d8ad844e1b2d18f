// SPDX-License-Identifier: Apache-2.0
#include "scheduler/cost_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sluice::scheduler {
namespace {

constexpr double kMb = 1e6;

LevelTable table() {
  LevelTable levels;
  levels.raw_bytes_per_token = 20'000;
  levels.prefill_s_per_token = 1e-3;
  levels.decode_s_per_output_token = 0.02;
  Level level;
  level.pipeline = "small";
  level.bytes_per_token = 1000;
  level.bytes_fixed = 500;
  level.encode_s_per_token = 1e-4;
  level.decode_s_per_token = 2e-4;
  level.kl = 0.03;
  level.is_streaming = true;
  levels.levels = {level};
  return levels;
}

TEST(PrefillSeconds, ByItsOwnSpeedElseTheTables) {
  WorkerState worker;
  const LevelTable levels = table();
  EXPECT_DOUBLE_EQ(prefill_seconds(worker, &levels, 500, 0), 0.5);
  EXPECT_GT(prefill_seconds(worker, nullptr, 500, 0), 0.0);
  worker.prefill_speed = {0.1, 1e-4, 1e-7};
  EXPECT_DOUBLE_EQ(prefill_seconds(worker, &levels, 1000, 0), 0.1 + 0.1 + 0.1);
  // After 1000 others, as much attention as 3000 of the squares of 1000.
  EXPECT_DOUBLE_EQ(prefill_seconds(worker, &levels, 1000, 1000), 0.1 + 0.1 + 0.3);
  EXPECT_EQ(prefill_seconds(worker, &levels, 0, 1000), 0.0);
}

TEST(QueueSeconds, CountsPromptsOfEqualLength) {
  WorkerState worker;
  worker.prefill_speed = {0.1, 0, 1e-6};
  EXPECT_EQ(queue_seconds(worker, nullptr), 0.0);
  worker.queued_tokens = 2000;
  worker.requests = 2;
  EXPECT_DOUBLE_EQ(queue_seconds(worker, nullptr), 2 * (0.1 + 1.0));
  worker.requests = 0;  // a report that is behind
  EXPECT_DOUBLE_EQ(queue_seconds(worker, nullptr), 0.1 + 4.0);
}

TEST(Predict, IsAPipelineOfFourStages) {
  const LevelTable levels = table();
  const WorkerState worker;
  const LinkOutlook wire{0.5 * kMb, 0, 0.01};
  const Prediction made =
      predict(worker, worker, wire, &levels, &levels.levels[0], {.prompt_tokens = 1024});
  EXPECT_DOUBLE_EQ(made.prefill_s, 1.024);
  EXPECT_DOUBLE_EQ(made.encode_s, 0.1024);
  EXPECT_DOUBLE_EQ(made.bytes, 1'024'500);
  EXPECT_DOUBLE_EQ(made.wire_s, 2.049);
  EXPECT_DOUBLE_EQ(made.decode_s, 0.2048 + 0.02);
  EXPECT_EQ(made.kl, 0.03);
  // Two parts of three groups of layers.
  const double sum = 1.024 + 0.1024 + 2.049 + 0.2048;
  EXPECT_DOUBLE_EQ(made.ttft_s, sum / 6 + 2.049 * 5 / 6 + 0.01 + 0.02);
}

TEST(Predict, WithoutStreamingOnlyTheLastPartOverlaps) {
  LevelTable levels = table();
  levels.levels[0].is_streaming = false;
  const WorkerState worker;
  const LinkOutlook wire{0.5 * kMb, 0, 0.0};
  const Prediction made =
      predict(worker, worker, wire, &levels, &levels.levels[0], {.prompt_tokens = 1024});
  const double sum = 0.512 + 0.1024 + 2.049 + 0.2048;
  EXPECT_DOUBLE_EQ(made.ttft_s, 0.512 + sum / 3 + 2.049 * 2 / 3 + 0.02);
}

TEST(Predict, WithoutALevelRawBytesGoAsTheyAre) {
  const LevelTable levels = table();
  const WorkerState worker;
  const Prediction made =
      predict(worker, worker, {kMb, 0, 0}, &levels, nullptr, {.prompt_tokens = 100});
  EXPECT_DOUBLE_EQ(made.bytes, 2e6);
  EXPECT_DOUBLE_EQ(made.wire_s, 2.0);
  EXPECT_EQ(made.encode_s, 0.0);
  EXPECT_EQ(predict(worker, worker, {kMb, 0, 0}, nullptr, nullptr, {.prompt_tokens = 9}).bytes, 0);
}

TEST(Predict, WhatIsCachedIsNeitherComputedNorSent) {
  LevelTable levels = table();
  WorkerState prefill;
  WorkerState decode;
  prefill.cached_tokens = 512;
  decode.cached_tokens = 256;
  const RequestShape request{.prompt_tokens = 1024, .question_tokens = 600};
  const LinkOutlook wire{kMb, 0, 0};
  const Prediction streaming = predict(prefill, decode, wire, &levels, &levels.levels[0], request);
  EXPECT_DOUBLE_EQ(streaming.prefill_s, 0.512);
  EXPECT_DOUBLE_EQ(streaming.bytes, 500 + 768'000);
  // The scores of the question's tokens are needed: what is after its first one is computed.
  levels.levels[0].is_streaming = false;
  const Prediction whole = predict(prefill, decode, wire, &levels, &levels.levels[0], request);
  EXPECT_DOUBLE_EQ(whole.prefill_s, 0.6);
  EXPECT_DOUBLE_EQ(whole.bytes, 500 + 1'024'000);
}

TEST(Predict, WhatIsQueuedOnTheLinkDrainsWhileThePrefillQueueDoes) {
  const LevelTable levels = table();
  WorkerState prefill;
  const RequestShape request{.prompt_tokens = 100};
  const LinkOutlook wire{kMb, 3'000'000, 0};
  const double idle = predict(prefill, prefill, wire, &levels, nullptr, request).wire_s;
  EXPECT_DOUBLE_EQ(idle, 3.0 + 2.0);
  prefill.queued_tokens = 1000;
  EXPECT_DOUBLE_EQ(predict(prefill, prefill, wire, &levels, nullptr, request).wire_s, 2.0 + 2.0);
}

TEST(Predict, SlowWorkersTakeLonger) {
  const LevelTable levels = table();
  WorkerState prefill;
  WorkerState decode;
  prefill.codec_slowness = 2.0;
  decode.codec_slowness = 3.0;
  decode.step_s = 0.5;
  const Prediction made =
      predict(prefill, decode, {}, &levels, &levels.levels[0], {.prompt_tokens = 100});
  EXPECT_DOUBLE_EQ(made.encode_s, 0.02);
  EXPECT_DOUBLE_EQ(made.decode_s, 0.06 + 0.5);
  EXPECT_EQ(made.wire_s, 0.0) << "a rate that is not known is free";
}

TEST(PredictLocal, ComputesWhatIsNotCached) {
  const LevelTable levels = table();
  WorkerState decode;
  decode.cached_tokens = 90;
  const Prediction made = predict_local(decode, &levels, {.prompt_tokens = 100});
  EXPECT_DOUBLE_EQ(made.prefill_s, 0.01);
  EXPECT_DOUBLE_EQ(made.ttft_s, 0.01 + 0.02);
  EXPECT_EQ(made.bytes, 0.0);
}

// The whole is no shorter than its longest stage and no longer than all of them one by one, and no
// longer on a faster link.
TEST(Predict, OfRandomOnesIsBetweenItsBounds) {
  std::mt19937 random(1);
  const auto draw = [&](double most) {
    return most * static_cast<double>(random()) / 4294967296.0;
  };
  for (int trial = 0; trial < 2000; ++trial) {
    LevelTable levels = table();
    Level& level = levels.levels[0];
    level.bytes_per_token = draw(20'000);
    level.encode_s_per_token = draw(1e-3);
    level.decode_s_per_token = draw(1e-3);
    level.is_streaming = random() % 2 == 0;
    WorkerState prefill;
    prefill.queued_tokens = static_cast<std::int64_t>(random() % 4000);
    prefill.requests = static_cast<std::int64_t>(random() % 4);
    const RequestShape request{.prompt_tokens = 1 + static_cast<std::int64_t>(random() % 9000)};
    const LinkOutlook wire{1e4 + draw(1e8), random() % 10'000'000, draw(0.1)};
    const Prediction made = predict(prefill, prefill, wire, &levels, &level, request);
    const double sum = made.queue_s + made.prefill_s + made.encode_s + made.wire_s + made.decode_s +
                       wire.round_trip_s;
    EXPECT_LE(made.ttft_s, sum * (1 + 1e-12));
    EXPECT_GE(made.ttft_s * (1 + 1e-12),
              made.queue_s + std::max({made.prefill_s, made.encode_s, made.wire_s, made.decode_s}));
    LinkOutlook faster = wire;
    faster.bytes_per_s *= 1 + draw(3);
    EXPECT_LE(predict(prefill, prefill, faster, &levels, &level, request).ttft_s,
              made.ttft_s * (1 + 1e-12));
  }
}

}  // namespace
}  // namespace sluice::scheduler
