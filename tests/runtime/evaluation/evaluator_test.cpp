// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/evaluator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "runtime/evaluation/evaluation_plan.hpp"
#include "tests/runtime/evaluation/tiny_evaluation.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

class Evaluator : public TinyEvaluation {
 protected:
  std::vector<EvaluationJob> jobs() {
    std::vector<EvaluationJob> made;
    for (const EvaluationItem& item : {question("a fox"), choice(), question("a hen")}) {
      made.push_back({item,
                      {pipeline("", "raw"), pipeline("rtn: { bits: 4, group: 16 }", "int4"),
                       pipeline("rtn: { bits: 2, group: 16 }", "int2")}});
    }
    return made;
  }
  std::vector<Outcome> evaluated(const std::string& file_name, int threads) {
    auto file = OutcomeFile::open(folder_.path() / file_name);
    EXPECT_TRUE(file) << file.error().message;
    EvaluationOptions options;
    options.threads = threads;
    options.progress = [this](std::int64_t done, std::int64_t total) {
      progress_.emplace_back(done, total);
    };
    const auto all = jobs();
    auto outcomes = evaluate(all, model_, options, *file);
    EXPECT_TRUE(outcomes) << outcomes.error().message;
    return outcomes.value();
  }
  std::string lines(std::vector<Outcome> outcomes) {
    std::string text;
    for (Outcome& outcome : outcomes) {
      outcome.encode_s = 0.0;
      outcome.decode_s = 0.0;
      text += outcome_line(outcome) + "\n";
    }
    return text;
  }

  std::vector<std::pair<std::int64_t, std::int64_t>> progress_;
};

TEST_F(Evaluator, GivesEveryOutcomeInTheJobsOrder) {
  const auto outcomes = evaluated("a.jsonl", 2);
  ASSERT_EQ(outcomes.size(), 12U);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].pipeline, (std::vector{kFullCache, "raw", "int4", "int2"}[i % 4]));
    EXPECT_EQ(outcomes[i].item, (std::vector{"a fox", "letters", "a hen"}[i / 4]));
    EXPECT_FALSE(outcomes[i].key.empty());
  }
  EXPECT_EQ(progress_.front(), std::pair(std::int64_t{0}, std::int64_t{12}));
  EXPECT_EQ(progress_.back(), std::pair(std::int64_t{12}, std::int64_t{12}));
}

TEST_F(Evaluator, TheNumberOfThreadsChangesNoBit) {
  const std::string one = lines(evaluated("one.jsonl", 1));
  EXPECT_EQ(one, lines(evaluated("three.jsonl", 3)));
}

TEST_F(Evaluator, GoesOnWhereAFileWasCutOff) {
  const std::string whole = lines(evaluated("a.jsonl", 1));
  const auto path = folder_.path() / "a.jsonl";
  std::ifstream in(path, std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(in), {});
  std::size_t seventh = 0;
  for (int line = 0; line < 7; ++line) seventh = content.find('\n', seventh) + 1;
  std::filesystem::resize_file(path, seventh + 20);
  progress_.clear();
  EXPECT_EQ(lines(evaluated("a.jsonl", 2)), whole);
  EXPECT_EQ(progress_.front(), std::pair(std::int64_t{7}, std::int64_t{12}));
  progress_.clear();
  EXPECT_EQ(lines(evaluated("a.jsonl", 2)), whole);
  EXPECT_EQ(progress_.size(), 1U) << "something was measured again";
}

TEST_F(Evaluator, AReportAloneHasWhatTheFileHasAndMeasuresNothing) {
  auto file = OutcomeFile::open(folder_.path() / "a.jsonl");
  ASSERT_TRUE(file);
  EvaluationOptions options;
  options.is_report_only = true;
  auto all = jobs();
  EXPECT_TRUE(evaluate(all, model_, options, *file).value().empty());
  auto first = std::span(all).first(1);
  const auto measured = evaluate(first, model_, {}, *file);
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_EQ(lines(evaluate(all, model_, options, *file).value()), lines(*measured));
}

TEST_F(Evaluator, WhatWasMeasuredBeforeAStopIsInTheFile) {
  auto file = OutcomeFile::open(folder_.path() / "a.jsonl");
  ASSERT_TRUE(file);
  std::int64_t measured = 0;
  EvaluationOptions options;
  options.threads = 1;
  options.progress = [&](std::int64_t done, std::int64_t) { measured = done; };
  options.is_cancelled = [&] { return measured >= 4; };
  const auto all = jobs();
  const auto outcomes = evaluate(all, model_, options, *file);
  ASSERT_FALSE(outcomes);
  EXPECT_EQ(outcomes.error().code, ErrorCode::kCancelled);
  EXPECT_LT(measured, 12);
  std::ifstream in(folder_.path() / "a.jsonl");
  std::int64_t count = 0;
  for (std::string line; std::getline(in, line); ++count) EXPECT_TRUE(parse_outcome(line)) << line;
  EXPECT_EQ(count, measured);
}

TEST_F(Evaluator, APromptIsRepeatedForThoseThatSelectByIt) {
  auto file = OutcomeFile::open(folder_.path() / "kvzip.jsonl");
  const std::vector<EvaluationJob> all{
      {question("a fox"), {pipeline("", "raw"), pipeline("kvzip: { budget: 0.5 }", "kvzip")}}};
  EvaluationOptions options;
  options.threads = 1;
  const auto outcomes = evaluate(all, model_, options, *file);
  ASSERT_TRUE(outcomes) << outcomes.error().message;
  ASSERT_EQ(outcomes->size(), 3U);
  EXPECT_LT((*outcomes)[2].bytes, (*outcomes)[1].bytes);
}

TEST_F(Evaluator, AnErrorNamesItsItem) {
  auto file = OutcomeFile::open(folder_.path() / "a.jsonl");
  ASSERT_TRUE(file);
  auto all = jobs();
  all[1].item.answers = {""};
  const auto outcomes = evaluate(
      all, model_, {.threads = 2, .profile = {}, .progress = {}, .is_cancelled = {}}, *file);
  ASSERT_FALSE(outcomes);
  EXPECT_THAT(outcomes.error().message, HasSubstr("letters"));
}

TEST_F(Evaluator, APipelineThatCannotBeMadeIsNamedBeforeAnythingIsMeasured) {
  auto file = OutcomeFile::open(folder_.path() / "a.jsonl");
  ASSERT_TRUE(file);
  auto all = jobs();
  all[2].pipelines.push_back(pipeline("klt, rtn: { bits: 4, group: 16 }", "learnt"));
  const auto outcomes = evaluate(
      all, model_, {.threads = 1, .profile = {}, .progress = {}, .is_cancelled = {}}, *file);
  ASSERT_FALSE(outcomes);
  EXPECT_THAT(outcomes.error().message, HasSubstr("pipeline learnt: "));
  EXPECT_THAT(outcomes.error().message, HasSubstr("calibrate"));
  EXPECT_EQ(std::filesystem::file_size(folder_.path() / "a.jsonl"), 0U);
}

// Two studies ask the same of the same item under other names: it is measured once.
TEST_F(Evaluator, EqualMeasurementsArePlannedOnce) {
  auto file = OutcomeFile::open(folder_.path() / "a.jsonl");
  ASSERT_TRUE(file);
  std::vector<EvaluationJob> all = jobs();
  EvaluationJob again = all[0];
  again.item.id = "the fox again";
  again.pipelines = {pipeline("rtn: { bits: 4, group: 16 }", "four"),
                     pipeline("rtn: { bits: 3, group: 16 }", "three")};
  all.push_back(again);
  const auto plan = EvaluationPlan::make(all, model_, nullptr, *file);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->total(), 13);
  ASSERT_EQ(plan->items().size(), 3U);
  EXPECT_EQ(plan->items()[0].measurements.size(), 4U);

  const auto outcomes = evaluate(
      all, model_, {.threads = 1, .profile = {}, .progress = {}, .is_cancelled = {}}, *file);
  ASSERT_TRUE(outcomes);
  ASSERT_EQ(outcomes->size(), 15U);
  EXPECT_EQ((*outcomes)[13].pipeline, "four");
  EXPECT_EQ((*outcomes)[13].item, "the fox again");
  EXPECT_EQ((*outcomes)[13].kl, (*outcomes)[2].kl);
}

}  // namespace
}  // namespace sluice::runtime
