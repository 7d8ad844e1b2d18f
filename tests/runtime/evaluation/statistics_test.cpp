// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/statistics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;

Outcome outcome(const std::string& pipeline, const std::string& task, const std::string& item) {
  Outcome made;
  made.pipeline = pipeline;
  made.task = task;
  made.item = item;
  made.raw_bytes = 1600;
  made.bytes = 1600;
  return made;
}

// Two tasks, the first with two items, the second with one.
std::vector<Outcome> study() {
  std::vector<Outcome> outcomes;
  const auto add = [&](const char* pipeline, const char* task, const char* item, double score,
                       double nll) {
    Outcome made = outcome(pipeline, task, item);
    made.score = score;
    made.nll = nll;
    outcomes.push_back(made);
  };
  add(kFullCache, "squad", "a", 1.0, 2.0);
  add(kFullCache, "squad", "b", 0.0, 4.0);
  add(kFullCache, "needle", "a", 1.0, 0.5);
  add("int4", "squad", "a", 0.5, 3.0);
  add("int4", "squad", "b", 0.0, 6.0);
  add("int4", "needle", "a", 0.0, 1.0);
  for (Outcome& made : outcomes) {
    if (made.pipeline == "int4") made.bytes = made.item == "a" ? 400 : 200;
  }
  return outcomes;
}

const PipelineSummary& find(const std::vector<PipelineSummary>& summaries,
                            const std::string& pipeline, const std::string& task) {
  for (const PipelineSummary& summary : summaries) {
    if (summary.pipeline == pipeline && summary.task == task) return summary;
  }
  ADD_FAILURE() << pipeline << " on " << task << " is missing";
  return summaries.front();
}

TEST(Statistics, SummariesComeByPipelineThenTask) {
  std::vector<std::string> names;
  for (const PipelineSummary& s : summarize(study())) names.push_back(s.pipeline + "/" + s.task);
  EXPECT_THAT(names, ElementsAre("full/squad", "full/needle", "full/all", "int4/squad",
                                 "int4/needle", "int4/all"));
}

TEST(Statistics, ATasksFiguresAreThoseOfItsItems) {
  const std::vector<PipelineSummary> summaries = summarize(study());
  const PipelineSummary& squad = find(summaries, "int4", "squad");
  EXPECT_EQ(squad.items, 2);
  EXPECT_DOUBLE_EQ(squad.ratio.mean, 6.0);           // of 4 and 8
  EXPECT_DOUBLE_EQ(squad.bits_per_element, 3.0);     // of 4 and 2
  EXPECT_DOUBLE_EQ(squad.score.mean, 0.25);          // of 0.5 and 0
  EXPECT_DOUBLE_EQ(squad.score_relative.mean, 0.5);  // 0.5 / 1
  EXPECT_DOUBLE_EQ(squad.nll.mean, 4.5);             // of 3 and 6
  EXPECT_DOUBLE_EQ(squad.nll_relative.mean, 1.5);    // 9 / 6
  EXPECT_DOUBLE_EQ(squad.nll_relative.low, 1.5);     // and in every draw
  EXPECT_DOUBLE_EQ(find(summaries, "full", "squad").nll_relative.mean, 1.0);
}

TEST(Statistics, AllTasksCountAlike) {
  const std::vector<PipelineSummary> summaries = summarize(study());
  const PipelineSummary& all = find(summaries, "int4", "all");
  EXPECT_EQ(all.items, 3);
  EXPECT_DOUBLE_EQ(all.ratio.mean, 5.0);                    // of 6 and 4
  EXPECT_DOUBLE_EQ(all.score.mean, 0.125);                  // of 0.25 and 0
  EXPECT_NEAR(all.score_relative.mean, 0.25 / 1.5, 1e-12);  // (0.25 + 0) / (0.5 + 1)
  EXPECT_NEAR(all.nll_relative.mean, 5.5 / 3.5, 1e-12);     // (4.5 + 1) / (3 + 0.5)
}

TEST(Statistics, ItemsWithoutAFullCacheAreLeftOut) {
  std::vector<Outcome> outcomes = study();
  outcomes.push_back(outcome("int4", "squad", "c"));
  outcomes.push_back(outcome("int2", "mmlu", "c"));
  const std::vector<PipelineSummary> summaries = summarize(outcomes);
  EXPECT_EQ(find(summaries, "int4", "squad").items, 2);
  EXPECT_EQ(summaries.size(), 6U);
}

TEST(Statistics, AScoreRelativeToNothingIsNoNumber) {
  std::vector<Outcome> outcomes = study();
  for (Outcome& made : outcomes) {
    if (made.pipeline == kFullCache) made.score = 0.0;
  }
  EXPECT_TRUE(std::isnan(find(summarize(outcomes), "int4", "squad").score_relative.mean));
}

TEST(Statistics, ADifferencePairsItems) {
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 30; ++i) {
    Outcome a = outcome("a", "squad", std::to_string(i));
    Outcome b = outcome("b", "squad", std::to_string(i));
    b.kl = i;          // items differ by far more than
    a.kl = i - 0.125;  // the pipelines do
    outcomes.push_back(a);
    outcomes.push_back(b);
  }
  outcomes.push_back(outcome("a", "squad", "alone"));
  outcomes.push_back(outcome("a", "needle", "0"));
  Outcome far = outcome("b", "needle", "0");
  far.kl = 100.0;
  outcomes.push_back(far);
  const auto kl = [](const Outcome& o) { return o.kl; };
  const Interval squad = paired_difference(outcomes, "a", "b", "squad", kl);
  EXPECT_DOUBLE_EQ(squad.mean, -0.125);
  EXPECT_DOUBLE_EQ(squad.low, -0.125);
  EXPECT_DOUBLE_EQ(squad.high, -0.125);
  EXPECT_DOUBLE_EQ(paired_difference(outcomes, "a", "b", "", kl).mean, -(0.125 + 100.0) / 2);
  EXPECT_TRUE(std::isnan(paired_difference(outcomes, "a", "none", "", kl).mean));
}

TEST(Statistics, TheBootstrapsOfPlainValuesAreThoseOfOneTask) {
  const std::vector<double> values = {1, 2, 3, 6};
  const std::vector<double> whole = {2, 2, 2, 2};
  EXPECT_DOUBLE_EQ(bootstrap_mean(values).mean, 3.0);
  EXPECT_DOUBLE_EQ(bootstrap_ratio(values, whole).mean, 1.5);
  EXPECT_DOUBLE_EQ(bootstrap_ratio(values, whole).low * 2, bootstrap_mean(values).low);
}

}  // namespace
}  // namespace sluice::runtime
