// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/level_profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

TEST(FitBytes, FindsTheFixedPart) {
  std::vector<BytesPoint> points;
  for (const double tokens : {100.0, 200.0, 400.0, 800.0}) {
    points.push_back({tokens, 5000.0 + 30.0 * tokens});
  }
  const BytesLine line = fit_bytes(points);
  EXPECT_NEAR(line.fixed, 5000.0, 1e-6);
  EXPECT_NEAR(line.per_token, 30.0, 1e-9);
}

TEST(FitBytes, WhatTheFitDoesNotSayIsNoFixedPart) {
  // Noise alone, of a tenth of the bytes.
  std::mt19937 random(4);
  std::normal_distribution<double> noise(1.0, 0.1);
  int fixed = 0;
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<BytesPoint> points;
    for (int i = 1; i <= 20; ++i) points.push_back({100.0 * i, 3000.0 * i * noise(random)});
    const BytesLine line = fit_bytes(points);
    fixed += line.fixed > 0.0 ? 1 : 0;
    EXPECT_NEAR(line.per_token, 30.0, 5.0);
  }
  EXPECT_LE(fixed, 10);  // 2.3 of 100 are beyond twice the standard error
}

TEST(FitBytes, IsNeverNegative) {
  // Bytes grow faster than the length: a line would start below 0.
  const BytesLine bent =
      fit_bytes(std::vector<BytesPoint>{{10, 10}, {20, 40}, {30, 90}, {40, 160}});
  EXPECT_EQ(bent.fixed, 0.0);
  EXPECT_GT(bent.per_token, 0.0);
  // They shrink: nothing that a line can say.
  const BytesLine shrinking = fit_bytes(std::vector<BytesPoint>{{10, 400}, {20, 300}, {30, 200}});
  EXPECT_EQ(shrinking.fixed, 0.0);
  EXPECT_GT(shrinking.per_token, 0.0);
}

TEST(FitBytes, FewPointsOrOneLengthHaveNoFixedPart) {
  EXPECT_EQ(fit_bytes({}).per_token, 0.0);
  EXPECT_EQ(fit_bytes(std::vector<BytesPoint>{{100, 1000}, {200, 1100}}).fixed, 0.0);
  const BytesLine same = fit_bytes(std::vector<BytesPoint>{{100, 1000}, {100, 1100}, {100, 1200}});
  EXPECT_EQ(same.fixed, 0.0);
  EXPECT_NEAR(same.per_token, 11.0, 1e-9);
}

Outcome outcome(const char* pipeline, const char* item, std::int64_t tokens, double nll,
                double kl) {
  Outcome made;
  made.task = "squad";
  made.item = item;
  made.pipeline = pipeline;
  made.tokens = tokens;
  made.raw_bytes = 100 * tokens;
  made.bytes = 10 * tokens;
  made.nll = nll;
  made.kl = kl;
  made.top1 = 0.75;
  return made;
}

TEST(LevelsOf, TakeLossesFromOutcomesAndCostsAsTheyAre) {
  const std::vector<Outcome> outcomes = {
      outcome(kFullCache, "a", 100, 1.0, 0.0), outcome("int4", "a", 100, 1.5, 0.1),
      outcome(kFullCache, "b", 300, 3.0, 0.0), outcome("int4", "b", 300, 3.1, 0.3),
      outcome("int8", "a", 100, 1.0, -1e-9),   outcome("int8", "b", 300, 3.0, -1e-9)};
  const std::vector<LevelCost> costs = {{"int8", 8, 1e-6, 2e-6, true},
                                        {"int4", 4, 3e-6, 4e-6, false},
                                        {"int2", 2, 5e-6, 6e-6, false}};
  const auto levels = levels_of(costs, outcomes);
  ASSERT_EQ(levels.size(), 2U);  // nothing was measured of int2
  EXPECT_EQ(levels[0].pipeline, "int8");
  EXPECT_EQ(levels[0].kl, 0.0);
  EXPECT_EQ(levels[0].kl_high, 0.0);
  EXPECT_TRUE(levels[0].is_streaming);
  const scheduler::Level& int4 = levels[1];
  EXPECT_EQ(int4.pipeline, "int4");
  EXPECT_EQ(int4.stages, 4U);
  EXPECT_EQ(int4.encode_s_per_token, 3e-6);
  EXPECT_EQ(int4.decode_s_per_token, 4e-6);
  EXPECT_NEAR(int4.bytes_per_token, 10.0, 1e-9);
  EXPECT_EQ(int4.bytes_fixed, 0.0);
  EXPECT_NEAR(int4.kl, 0.2, 1e-12);
  EXPECT_GE(int4.kl_high, int4.kl);
  EXPECT_LE(int4.kl_high, 0.3);
  EXPECT_NEAR(int4.nll_growth, 4.6 / 4.0 - 1.0, 1e-12);
  EXPECT_NEAR(int4.top1, 0.75, 1e-12);
  EXPECT_FALSE(int4.is_streaming);
}

TEST(LevelTableText, MarksWhatIsBeaten) {
  scheduler::Level good;
  good.pipeline = "good";
  good.bytes_per_token = 10.0;
  good.encode_s_per_token = 1e-6;
  scheduler::Level worse = good;
  worse.pipeline = "worse";
  worse.kl = 1.0;
  const std::vector<scheduler::Level> all = {good, worse};
  const std::string text = level_table_text(all, std::vector<scheduler::Level>{good}, 1000.0);
  EXPECT_THAT(text, HasSubstr("100.00x"));
  EXPECT_THAT(text, HasSubstr("1.00 GB/s"));
  const auto line = text.find("worse");
  EXPECT_GT(text.find("beaten"), line);
}

}  // namespace
}  // namespace sluice::runtime
