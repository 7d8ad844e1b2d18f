// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/selection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Tokens kept of head 0 from these scores (one set, unless there are more).
std::string chosen(SelectCase& layer, const SelectionOptions& options, std::vector<float> scores,
                   const Choice& choice = {}) {
  const Status status =
      choose_tokens(layer.input(), options, choice, std::move(scores), layer.state);
  return status ? layer.kept() : status.error().message;
}

TEST(BudgetTokens, AShareRoundsDownAndACountIsACount) {
  EXPECT_EQ(budget_tokens(0.7F, 1000), 700);  // FP32's 0.7 is a little less than 0.7
  EXPECT_EQ(budget_tokens(0.29F, 10), 2);
  EXPECT_EQ(budget_tokens(0.0F, 10), 0);
  EXPECT_EQ(budget_tokens(1.0F, 10), 10);
  EXPECT_EQ(budget_tokens(7.0F, 10), 7);
  EXPECT_EQ(budget_tokens(70.0F, 10), 10);
  EXPECT_EQ(budget_tokens(0.5F, 0), 0);
}

TEST(ChooseTokens, TheBestFillTheBudgetBesideSinksAndWindow) {
  SelectCase layer(8);
  EXPECT_EQ(chosen(layer, {.budget = 5, .sinks = 1, .window = 2}, {0, 1, 5, 2, 4, 3, 9, 9}),
            "0 2 4 6 7");
  // What is always kept is as important as the best of the rest.
  EXPECT_THAT(layer.state.levels.importance, ElementsAre(5, 1, 5, 2, 4, 3, 5, 5));
}

TEST(ChooseTokens, NoBudgetKeepsWhatIsAlwaysKeptAndAFullOneEverything) {
  const std::vector<float> scores{1, 2, 3, 4, 5, 6};
  SelectCase none(6);
  EXPECT_EQ(chosen(none, {.budget = 0, .sinks = 2, .window = 1}, scores), "0 1 5");
  SelectCase nothing(6);
  EXPECT_EQ(chosen(nothing, {.budget = 0, .sinks = 0}, scores), "");
  SelectCase all(6);
  EXPECT_EQ(chosen(all, {.budget = 1}, scores), "0 1 2 3 4 5");
}

TEST(ChooseTokens, EqualScoresGoToTheLowerToken) {
  SelectCase layer(6);
  EXPECT_EQ(chosen(layer, {.budget = 3, .sinks = 0}, std::vector<float>(6, 0.5F)), "0 1 2");
}

TEST(ChooseTokens, SinksAndWindowMayCoverEverything) {
  SelectCase layer(3);
  EXPECT_EQ(chosen(layer, {.budget = 0, .sinks = 4, .window = 9}, {1, 2, 3}), "0 1 2");
}

TEST(ChooseTokens, AnEmptyAndASingleTokenAreDefined) {
  SelectCase empty(0);
  EXPECT_EQ(chosen(empty, {.budget = 0.5F}, {}), "");
  SelectCase one(1);
  EXPECT_EQ(chosen(one, {.budget = 0.5F, .sinks = 0}, {1}), "");
}

TEST(ChooseTokens, NanIsRefusedByName) {
  SelectCase layer(3);
  layer.layer = 2;
  EXPECT_EQ(chosen(layer, {.budget = 0.5F, .sinks = 0}, {1, NAN, 2}),
            "the score of token 1 in layer 2 is not a number");
  EXPECT_THAT(chosen(layer, {}, {1, 2}), HasSubstr("not of its tokens"));
}

TEST(ChooseTokens, HeadsHaveSetsOfTheirOwn) {
  SelectCase layer(4, 2);
  EXPECT_EQ(chosen(layer, {.budget = 2, .sinks = 0}, {4, 3, 2, 1, 1, 2, 3, 4}), "0 1");
  EXPECT_EQ(layer.state.levels.heads, 2);
  EXPECT_EQ(layer.kept(1), "2 3");
}

TEST(ChooseTokens, WhatIsExactStaysAndCountsAndWhatIsDroppedStaysDropped) {
  SelectCase layer(6);
  layer.state.levels.level = {1, kLevelExact, kLevelDropped, 1, 1, 1};
  EXPECT_EQ(chosen(layer, {.budget = 3, .sinks = 0}, {1, 0, 9, 2, 3, 4}), "1 4 5");
  EXPECT_EQ(layer.levels(), "0 E 0 0 1 1");
}

TEST(ChooseTokens, ABudgetsScaleActsOnWhatIsNotAlwaysKept) {
  SelectCase layer(10);
  layer.state.budget_scale = 1.5F;
  // 6 tokens: 2 always kept, 4 * 1.5 = 6 free ones.
  EXPECT_EQ(chosen(layer, {.budget = 6, .sinks = 2}, {0, 0, 1, 2, 3, 4, 5, 6, 7, 8}),
            "0 1 4 5 6 7 8 9");
}

TEST(ChooseTokens, ATailIsKeptAndLeftOutOfPooling) {
  SelectCase layer(6);
  Choice choice;
  choice.tail_first = 4;
  // Pooled over tokens 0 to 3 alone, to 1, 4/3, 4/3 and 1/3: the tail's 90 does not leak in.
  EXPECT_EQ(chosen(layer, {.budget = 4, .sinks = 0, .pool = 3}, {0, 3, 1, 0, 90, 90}, choice),
            "1 2 4 5");
  EXPECT_FLOAT_EQ(layer.state.levels.importance[3], 1.0F / 3.0F);
}

TEST(ChooseTokens, HeadsOfALayerCompeteForOneBudgetWithAFloor) {
  // Adding all scores: head 0 has the four best; head 1 keeps its floor of one.
  const std::vector<float> scores{9, 8, 7, 6, 1, 2, 3, 4};
  SelectCase layer(4, 2);
  layer.state.shares_heads = true;
  layer.state.head_floor = 0.5F;
  EXPECT_EQ(chosen(layer, {.budget = 2, .sinks = 0}, scores), "0 1 2");
  EXPECT_EQ(layer.kept(1), "3");
  SelectCase free(4, 2);
  free.state.shares_heads = true;
  EXPECT_EQ(chosen(free, {.budget = 2, .sinks = 0}, scores), "0 1 2 3");
  EXPECT_EQ(free.kept(1), "");
}

TEST(ChooseTokens, ASecondScoreTakesItsPartOfTheBudget) {
  SelectCase layer(6);
  const std::vector<float> second{0, 0, 1, 2, 3, 9};
  Choice choice;
  choice.second = second;
  choice.second_share = 0.5F;
  // Four tokens: the best two by score, then the best two of the rest by the second score.
  EXPECT_EQ(chosen(layer, {.budget = 4, .sinks = 0}, {6, 5, 4, 3, 2, 7}, choice), "0 3 4 5");
}

TEST(ChooseTokens, ChunksAreTakenWholeByTheirMean) {
  SelectCase layer(7);
  Choice choice;
  choice.chunk = 3;
  // Means 1, 2 and (the short last chunk) 5; a budget of 5 has room for 1 + 3.
  EXPECT_EQ(chosen(layer, {.budget = 5, .sinks = 0}, {1, 1, 1, 6, 0, 0, 5}, choice), "3 4 5 6");
}

TEST(SelectionOptions, AnEvenPoolIsRefused) {
  static constexpr auto kRows = selection_rows({.budget = 0.5F});
  const auto even = Parameters::parse("x", kRows, {{"pool", 4.0}}).value();
  EXPECT_THAT(selection_options(even).error().message, HasSubstr("must be odd"));
  const auto odd = Parameters::parse("x", kRows, {{"pool", 7.0}, {"scope", "model"}}).value();
  EXPECT_EQ(selection_options(odd).value().pool, 7);
  EXPECT_EQ(selection_options(odd).value().scope, SelectScope::kModel);
}

}  // namespace
}  // namespace sluice::kernels
