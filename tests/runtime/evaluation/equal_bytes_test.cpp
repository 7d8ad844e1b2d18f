// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/equal_bytes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace sluice::runtime {
namespace {

const std::vector<std::string> kLevels = {"best@4", "best@16"};

Outcome at(const std::string& pipeline, int item, double ratio, double kl, double nll) {
  Outcome made;
  made.pipeline = pipeline;
  made.task = "squad";
  made.item = std::to_string(item);
  made.raw_bytes = 16000;
  made.bytes = static_cast<std::int64_t>(16000 / ratio);
  made.kl = kl;
  made.nll = nll;
  return made;
}

// Ten items on which the levels lose 0.01 at 4x and 0.04 at 16x, and the other what is given.
std::vector<Outcome> with_other(double ratio, double kl, double nll) {
  std::vector<Outcome> outcomes;
  for (int item = 0; item < 10; ++item) {
    outcomes.push_back(at("best@4", item, 4, 0.01, 2.0));
    outcomes.push_back(at("best@16", item, 16, 0.04, 3.0));
    outcomes.push_back(at("other", item, ratio, kl, nll));
  }
  return outcomes;
}

TEST(EqualBytes, LevelsAreInterpolatedInTheLogarithmOfTheRatio) {
  // 8x is half way from 4x to 16x, and 0.02 half way from 0.01 to 0.04.
  const auto results = compare_at_equal_bytes(with_other(8, 0.05, 2.75), kLevels, "other");
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].task, "squad");
  EXPECT_EQ(results[1].task, "all");
  EXPECT_EQ(results[0].items, 10);
  EXPECT_DOUBLE_EQ(results[0].ratio, 8.0);
  EXPECT_NEAR(results[0].family_kl.mean, 0.02, 1e-9);
  EXPECT_NEAR(results[0].kl_difference.mean, -0.03, 1e-9);
  EXPECT_NEAR(results[0].nll_difference.mean, -0.25, 1e-9);
  EXPECT_EQ(results[0].by_kl, Verdict::kSurely);
  EXPECT_EQ(results[0].by_nll, Verdict::kSurely);
}

TEST(EqualBytes, ALevelOfFewerBytesStandsForALargerPipeline) {
  const auto results = compare_at_equal_bytes(with_other(2, 0.005, 1.0), kLevels, "other");
  ASSERT_FALSE(results.empty());
  EXPECT_NEAR(results[0].family_kl.mean, 0.01, 1e-9);
  EXPECT_EQ(results[0].by_kl, Verdict::kNo);
  EXPECT_EQ(results[0].by_nll, Verdict::kNo);
}

TEST(EqualBytes, NothingIsSaidOfBytesThatNoLevelReaches) {
  EXPECT_TRUE(compare_at_equal_bytes(with_other(20, 0.5, 3.0), kLevels, "other").empty());
}

TEST(EqualBytes, WhatItemsDisagreeOnIsOnlyProbable) {
  std::vector<Outcome> outcomes = with_other(8, 0.0, 0.0);
  int item = 0;
  for (Outcome& made : outcomes) {
    if (made.pipeline == "other") made.kl = item++ < 5 ? 0.050 : 0.001;
  }
  EXPECT_EQ(compare_at_equal_bytes(outcomes, kLevels, "other")[0].by_kl, Verdict::kProbably);
}

TEST(EqualBytes, AFewItemsAreNeverSure) {
  std::vector<Outcome> outcomes = with_other(8, 0.05, 2.75);
  std::erase_if(outcomes, [](const Outcome& outcome) { return outcome.item >= "5"; });
  EXPECT_EQ(compare_at_equal_bytes(outcomes, kLevels, "other")[0].by_kl, Verdict::kProbably);
  outcomes = with_other(8, 0.05, 2.75);
  std::erase_if(outcomes, [](const Outcome& outcome) { return outcome.item >= "6"; });
  EXPECT_EQ(compare_at_equal_bytes(outcomes, kLevels, "other")[0].by_kl, Verdict::kSurely);
}

TEST(EqualBytes, AnItemWithoutALevelIsLeftOut) {
  std::vector<Outcome> outcomes = with_other(8, 0.05, 2.75);
  outcomes.push_back(at("other", 99, 8, 100.0, 100.0));
  outcomes.push_back(at("best@4", 99, 4, 0.0, 0.0));
  EXPECT_EQ(compare_at_equal_bytes(outcomes, kLevels, "other")[0].items, 10);
}

PipelineSummary level(double ratio, double kl) {
  PipelineSummary summary;
  summary.ratio.mean = ratio;
  summary.kl.mean = kl;
  return summary;
}

TEST(EqualBytes, AtEqualLossTheRatioLiesBetweenTheLevels) {
  const std::vector<PipelineSummary> levels = {level(16, 0.04), level(4, 0.01)};
  EXPECT_NEAR(ratio_at_equal_kl(levels, 0.02), 8.0, 1e-9);
  EXPECT_NEAR(ratio_at_equal_kl(levels, 0.01), 4.0, 1e-9);
  EXPECT_NEAR(ratio_at_equal_kl(levels, 0.04), 16.0, 1e-9);
  EXPECT_EQ(ratio_at_equal_kl(levels, 0.001), 0.0);
  EXPECT_TRUE(std::isinf(ratio_at_equal_kl(levels, 0.5)));
  EXPECT_EQ(ratio_at_equal_kl({}, 0.5), 0.0);
}

}  // namespace
}  // namespace sluice::runtime
