// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/measure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/engine/cache_shape.hpp"
#include "runtime/evaluation/answer_score.hpp"
#include "tests/runtime/evaluation/tiny_evaluation.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

class Measure : public TinyEvaluation {
 protected:
  std::unique_ptr<const kernels::Pipeline> opened(const std::string& stages) {
    auto made = kernels::Pipeline::create(pipeline(stages), cache_shape_of(*file_), nullptr);
    EXPECT_TRUE(made) << made.error().message;
    return std::move(made.value());
  }
  Outcome measured(const Reference& of, const std::string& stages) {
    auto outcome = measure_outcome(of, *opened(stages), nullptr, model_, decode());
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome.value();
  }
};

void expect_same_answers(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.nll, b.nll);
  EXPECT_EQ(a.kl, b.kl);
  EXPECT_EQ(a.top1, b.top1);
  EXPECT_EQ(a.own_kl, b.own_kl);
  EXPECT_EQ(a.own_top1, b.own_top1);
  EXPECT_EQ(a.said, b.said);
  EXPECT_EQ(a.score, b.score);
  EXPECT_EQ(a.exact_match, b.exact_match);
}

TEST_F(Measure, TheReferenceHasTheQuestionAndBothAnswers) {
  EvaluationItem item = question("a fox");
  item.answer_start = "It was";
  const Reference made = reference(item);
  EXPECT_EQ(made.question_tokens, 4);
  EXPECT_EQ(made.given.size(), 1U + 6);
  EXPECT_EQ(made.answer.size(), 3U);
  EXPECT_EQ(made.answer_rows.size(), 3U);
  EXPECT_EQ(made.own_rows.size(), made.own.size());
  EXPECT_EQ(made.answer_rows[0], made.own_rows[0]);
  for (std::size_t i = 0; i < made.own.size(); ++i) {
    EXPECT_EQ(most_probable(made.own_rows[i]), made.own[i]) << i;
  }
  EXPECT_EQ(made.full.pipeline, kFullCache);
  EXPECT_EQ(made.full.tokens, static_cast<std::int64_t>(item.prompt.size()));
  EXPECT_EQ(made.full.raw_bytes, made.full.tokens * 2 * 2 * 16 * 4);
  EXPECT_EQ(made.full.ratio(), 1.0);
  EXPECT_EQ(made.full.said, tokenizer_->decode(made.own));
  EXPECT_EQ(made.full.score, squad_score(item, made.full.said));
  EXPECT_GT(made.full.nll, 0.0);
  EXPECT_EQ(made.full.kl, 0.0);
}

TEST_F(Measure, RawFramesLoseNothing) {
  const Reference of = reference(question("a fox"));
  const Outcome raw = measured(of, "");
  expect_same_answers(raw, of.full);
  EXPECT_EQ(raw.pipeline, "p");
  EXPECT_EQ(raw.raw_bytes, of.full.raw_bytes);
  EXPECT_GT(raw.bytes, raw.raw_bytes);  // headers
}

TEST_F(Measure, FewBitsAndFewTokensLoseSomething) {
  const Reference of = reference(question("a fox"));
  for (const char* stages : {"rtn: { bits: 2, group: 16 }", "streaming: { budget: 0.3 }"}) {
    SCOPED_TRACE(stages);
    const Outcome outcome = measured(of, stages);
    EXPECT_GT(outcome.kl, 0.0);
    EXPECT_GT(outcome.own_kl, 0.0);
    EXPECT_LT(outcome.bytes, outcome.raw_bytes);
  }
}

// What is said is what an engine says token by token, wherever it leaves the reference's answer.
TEST_F(Measure, ManyPipelinesMeasureAsEachAlone) {
  const Reference of = reference(question("a fox"));
  std::vector<std::unique_ptr<const kernels::Pipeline>> pipelines;
  for (const char* stages : {"rtn: { bits: 8, group: 16 }", "rtn: { bits: 2, group: 16 }", "",
                             "rtn: { bits: 3, group: 16 }"}) {
    pipelines.push_back(opened(stages));
  }
  std::vector<const kernels::Pipeline*> pointers;
  for (const auto& each : pipelines) pointers.push_back(each.get());
  const auto together = measure_outcomes(of, pointers, nullptr, model_, decode());
  ASSERT_TRUE(together) << together.error().message;
  int others = 0;
  for (std::size_t i = 0; i < pipelines.size(); ++i) {
    const auto alone = measure_outcome(of, *pipelines[i], nullptr, model_, decode());
    ASSERT_TRUE(alone);
    expect_same_answers((*together)[i], *alone);
    others += alone->said == of.full.said ? 0 : 1;
  }
  EXPECT_GE(others, 1) << "nothing left the reference's answer";
}

TEST_F(Measure, ALetterIsChosenByItsLikelihood) {
  const Reference of = reference(choice());
  const auto& row = of.answer_rows.front();
  std::string best = "A";
  for (const char* letter : {"B", "C", "D"}) {
    if (row[static_cast<std::size_t>(letter[0])] > row[static_cast<std::size_t>(best[0])]) {
      best = letter;
    }
  }
  EXPECT_EQ(of.full.said, best);
  EXPECT_EQ(of.full.score, best == "B" ? 1.0 : 0.0);
  EXPECT_EQ(of.full.nll, -static_cast<double>(row['B']));
  expect_same_answers(measured(of, ""), of.full);
}

TEST_F(Measure, ACacheInTheReferencesPlace) {
  const Reference of = reference(question("a fox"));
  const auto same = measure_cache(of, of.cache, {}, model_, decode());
  ASSERT_TRUE(same) << same.error().message;
  expect_same_answers(*same, of.full);
  const DumpedCache other(of.cache.shape(), of.cache.heads(), of.cache.tokens() - 1);
  const auto wrong = measure_cache(of, other, {}, model_, decode());
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Measure, WhatSelectsByARepetitionNeedsOne) {
  const EvaluationItem item = question("a fox");
  const auto kvzip = opened("kvzip: { budget: 0.5 }");
  const auto without = measure_outcome(reference(item), *kvzip, nullptr, model_, decode());
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().message, HasSubstr("prompt's repetition"));
  const auto repeated = make_reference(item, model_, prefill(), decode(), true);
  ASSERT_TRUE(repeated) << repeated.error().message;
  const auto outcome = measure_outcome(*repeated, *kvzip, nullptr, model_, decode());
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_LT(outcome->bytes, outcome->raw_bytes * 7 / 10);
}

TEST_F(Measure, ItemsThatCannotBeMeasuredAreNamed) {
  EvaluationItem elsewhere = question("a fox");
  elsewhere.question = "Where?";
  EvaluationItem nothing = question("a hen");
  nothing.answers.clear();
  for (const EvaluationItem& item : {elsewhere, nothing}) {
    const auto made = make_reference(item, model_, prefill(), decode());
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr(item.id));
  }
}

}  // namespace
}  // namespace sluice::runtime
