// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_status.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

constexpr std::int64_t kInterval = DecodeStatus::kIntervalUs;

std::shared_ptr<const scheduler::LevelTable> table() {
  auto levels = std::make_shared<scheduler::LevelTable>();
  levels->levels.resize(2);
  levels->levels[0].pipeline = "fine";
  levels->levels[0].decode_s_per_token = 1e-4;
  levels->levels[1].pipeline = "coarse";
  levels->levels[1].decode_s_per_token = 2e-4;
  return levels;
}

StatusMessage told(DecodeStatus& status) {
  static std::int64_t now_us = 0;
  now_us += kInterval;
  return status.due(now_us, true, 0).value();
}

TEST(DecodeStatus, IsToldAtOnceThenAtIntervalsWhileThereIsWork) {
  DecodeStatus status(nullptr);
  EXPECT_TRUE(status.due(1000, false, 64));
  EXPECT_FALSE(status.due(1000 + kInterval - 1, true, 64));
  EXPECT_TRUE(status.due(1000 + kInterval, true, 64));
  EXPECT_TRUE(status.due(1000 + 2 * kInterval, true, 64));
  EXPECT_FALSE(status.due(1000 + 9 * kInterval, false, 64));
}

TEST(DecodeStatus, AChangeIsToldWithoutWorkTooButNotAtOnce) {
  DecodeStatus status(nullptr);
  EXPECT_TRUE(status.due(0, false, 64));
  EXPECT_FALSE(status.due(kInterval / 2, false, 32));
  EXPECT_EQ(status.due(kInterval, false, 32).value().free_tokens, 32);
  EXPECT_FALSE(status.due(5 * kInterval, false, 32));
}

TEST(DecodeStatus, StepsAreSmoothed) {
  DecodeStatus status(nullptr);
  EXPECT_EQ(told(status).step_s, 0.0);
  status.stepped(10'000);
  EXPECT_DOUBLE_EQ(told(status).step_s, 0.01);
  status.stepped(110'000);  // a hiccup
  EXPECT_LT(told(status).step_s, 0.03);
  for (int i = 0; i < 60; ++i) status.stepped(30'000);
  EXPECT_NEAR(told(status).step_s, 0.03, 1e-3);
  status.stepped(0);  // nothing was measured
  EXPECT_NEAR(told(status).step_s, 0.03, 1e-3);
}

TEST(DecodeStatus, SlownessIsByTheTablesTimeForThatLevel) {
  DecodeStatus status(table());
  EXPECT_EQ(told(status).codec_slowness, 1.0);
  status.unpacked("fine", 1000, 200'000);
  EXPECT_DOUBLE_EQ(told(status).codec_slowness, 2.0);
  status.unpacked("coarse", 1000, 400'000);
  EXPECT_DOUBLE_EQ(told(status).codec_slowness, 2.0);
  status.unpacked("another", 1000, 1);
  status.unpacked("fine", 0, 5);
  EXPECT_DOUBLE_EQ(told(status).codec_slowness, 2.0);
}

TEST(DecodeStatus, WithoutATableNothingIsSlow) {
  DecodeStatus status(nullptr);
  status.unpacked("fine", 10, 1'000'000);
  EXPECT_EQ(told(status).codec_slowness, 1.0);
}

TEST(DecodeStatus, PromptsComputedHereSayHowFast) {
  DecodeStatus status(nullptr);
  EXPECT_EQ(told(status).prefill_s_per_token, 0.0);
  for (const std::int64_t tokens : {10, 20, 10, 20}) {
    status.prefilled(tokens, 0, tokens * 5'000);
    status.prefilled(0, 64, 50'000);  // nothing was measured
  }
  const StatusMessage message = told(status);
  EXPECT_NEAR(message.prefill_fixed_s + 15 * message.prefill_s_per_token +
                  15 * 15 * message.prefill_s_per_token_squared,
              15 * 0.005, 0.005);
}

}  // namespace
}  // namespace sluice::runtime
