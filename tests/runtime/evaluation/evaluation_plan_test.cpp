// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/evaluation_plan.hpp"

#include <gtest/gtest.h>

#include "tests/runtime/evaluation/tiny_evaluation.hpp"

namespace sluice::runtime {
namespace {

class Plan : public TinyEvaluation {
 protected:
  void SetUp() override {
    TinyEvaluation::SetUp();
    file_of_outcomes_ =
        std::make_unique<OutcomeFile>(OutcomeFile::open(folder_.path() / "a.jsonl").value());
    jobs_ = {{question("a fox"), {pipeline("", "raw"), pipeline("rtn: { bits: 4 }", "int4")}}};
  }
  EvaluationPlan plan() {
    return EvaluationPlan::make(jobs_, model_, nullptr, *file_of_outcomes_).value();
  }
  void measured(const std::string& key, double kl) {
    Outcome outcome;
    outcome.key = key;
    outcome.kl = kl;
    ASSERT_TRUE(file_of_outcomes_->append(outcome));
  }

  std::unique_ptr<OutcomeFile> file_of_outcomes_;
  std::vector<EvaluationJob> jobs_;
};

TEST_F(Plan, AnEmptyFileLacksEverything) {
  const EvaluationPlan made = plan();
  EXPECT_EQ(made.total(), 3);
  EXPECT_EQ(made.done(), 0);
  ASSERT_EQ(made.items().size(), 1U);
  EXPECT_TRUE(made.items()[0].lacks_full);
  ASSERT_EQ(made.items()[0].measurements.size(), 2U);
  EXPECT_EQ(made.items()[0].measurements[1].pipeline->name(), "int4");
  EXPECT_TRUE(made.collect(*file_of_outcomes_).empty());
}

TEST_F(Plan, WhatTheFileHasIsNotPlanned) {
  const EvaluationPlan before = plan();
  measured(before.items()[0].full_key, 0.0);
  measured(before.items()[0].measurements[0].key, 0.5);
  const EvaluationPlan after = plan();
  EXPECT_EQ(after.total(), 3);
  EXPECT_EQ(after.done(), 2);
  ASSERT_EQ(after.items().size(), 1U);
  EXPECT_FALSE(after.items()[0].lacks_full);
  ASSERT_EQ(after.items()[0].measurements.size(), 1U);
  EXPECT_EQ(after.items()[0].measurements[0].key, before.items()[0].measurements[1].key);
  measured(after.items()[0].measurements[0].key, 0.25);
  EXPECT_TRUE(plan().items().empty());
}

TEST_F(Plan, OutcomesHaveTheNamesOfTheirJobs) {
  jobs_[0].item.depth = 0.75;
  const EvaluationPlan made = plan();
  measured(made.items()[0].measurements[1].key, 0.25);
  const auto outcomes = made.collect(*file_of_outcomes_);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].pipeline, "int4");
  EXPECT_EQ(outcomes[0].task, "squad");
  EXPECT_EQ(outcomes[0].item, "a fox");
  EXPECT_EQ(outcomes[0].depth, 0.75);
  EXPECT_EQ(outcomes[0].kl, 0.25);
}

TEST_F(Plan, APipelineOfTwoItemsIsMadeOnce) {
  jobs_.push_back({question("a hen"), jobs_[0].pipelines});
  const EvaluationPlan made = plan();
  ASSERT_EQ(made.items().size(), 2U);
  EXPECT_EQ(made.total(), 6);
  EXPECT_EQ(made.items()[0].measurements[1].pipeline, made.items()[1].measurements[1].pipeline);
}

}  // namespace
}  // namespace sluice::runtime
