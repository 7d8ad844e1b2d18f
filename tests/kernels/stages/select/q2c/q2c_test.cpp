// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/q2c/q2c.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(Q2c, KeepsTheQuestionAndWhatItLooksAt) {
  SelectCase layer(8);
  layer.scores.window_first = 6;
  layer.scores.window = {0, 1, 5, 2, 4, 3, 9, 9};
  EXPECT_EQ(layer.kept(q2c_row(), {{"budget", 5.0}, {"sinks", 1.0}}), "0 2 4 6 7");
  EXPECT_FLOAT_EQ(layer.state.levels.importance[4], 4.0F);
}

TEST(Q2c, TheMeanIsOverTheQuestionsTokens) {
  SelectCase layer(8);
  layer.scores.window_first = 6;
  layer.scores.window = {0, 1, 5, 2, 4, 3, 9, 9};
  EXPECT_EQ(layer.kept(q2c_row(), {{"budget", 5.0}, {"sinks", 1.0}, {"mean", true}}), "0 2 4 6 7");
  EXPECT_FLOAT_EQ(layer.state.levels.importance[4], 2.0F);
}

TEST(Q2c, AsksForTheQuestionOrTheLastTokens) {
  const auto stage = create_stage(q2c_row(), {{"queries", 40.0}}).value();
  const ScoreNeeds needs = static_cast<const SelectStage&>(*stage).score_needs();
  EXPECT_EQ(needs.window_tokens, 40);
  EXPECT_TRUE(needs.question);
  EXPECT_FALSE(needs.accumulated);
}

TEST(Q2c, WithoutScoresIsASentence) {
  SelectCase layer(4);
  layer.has_scores = false;
  EXPECT_THAT(layer.kept(q2c_row(), {}), HasSubstr("needs scores"));
}

}  // namespace
}  // namespace sluice::kernels
