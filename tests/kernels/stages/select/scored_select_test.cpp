// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/scored_select.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Scores what the window paid.
class Plain final : public ScoredSelect {
 public:
  using ScoredSelect::ScoredSelect;

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    return input.scores->window;
  }
};

SelectionOptions with_scope(SelectScope scope) {
  return {.budget = 1.0F / 3.0F, .sinks = 0, .scope = scope};
}

TEST(ScoredSelect, AHeadChoosesForItself) {
  SelectCase layer(3, 2);
  layer.scores.window = {3, 2, 0, 0, 2, 3};
  Plain(with_scope(SelectScope::kHead)).select(layer.input(), layer.state).value();
  EXPECT_EQ(layer.kept(0), "0");
  EXPECT_EQ(layer.kept(1), "2");
}

TEST(ScoredSelect, ALayersHeadsAddUpToOneSet) {
  SelectCase layer(3, 2);
  layer.scores.window = {3, 2, 0, 0, 2, 3};
  Plain(with_scope(SelectScope::kLayer)).select(layer.input(), layer.state).value();
  EXPECT_EQ(layer.state.levels.heads, 1);
  EXPECT_EQ(layer.kept(), "1");
  EXPECT_THAT(layer.state.levels.importance, ElementsAre(3, 4, 3));
}

TEST(ScoredSelect, AllLayersAddUpToOneSetOfTheModel) {
  const Plain stage(with_scope(SelectScope::kModel));
  EXPECT_TRUE(stage.needs_all_layers());
  SelectCase layer(3, 1, 2);
  std::vector<LayerScores> scores(2, layer.scores);
  scores[0].window = {5, 1, 0};
  scores[1].window = {0, 1, 6};
  std::vector<float> scales(2, 1.0F);
  LayerScores shared;
  stage.plan_layers(layer.input(), scores, scales, shared).value();
  EXPECT_THAT(shared.window, ElementsAre(5, 2, 6));
  layer.scores = scores[0];
  EXPECT_THAT(stage.select(layer.input(), layer.state).error().message, HasSubstr("not planned"));
  layer.shared = &shared;
  stage.select(layer.input(), layer.state).value();
  EXPECT_EQ(layer.kept(), "2");  // though the first layer itself prefers token 0
}

TEST(WindowScores, AnotherStagesWindowIsRefused) {
  SelectCase layer(5);
  layer.scores.window_first = 3;
  layer.scores.window = {1, 2, 3, 4, 5};
  EXPECT_TRUE(window_scores(layer.input(), "x", 2, false));
  EXPECT_THAT(window_scores(layer.input(), "x", 3, false).error().message,
              HasSubstr("another window"));
  EXPECT_TRUE(window_scores(layer.input(), "x", 3, true));
  layer.scores.window_first = 0;
  EXPECT_TRUE(window_scores(layer.input(), "x", 64, false));  // a prompt shorter than the window
  layer.has_scores = false;
  EXPECT_THAT(window_scores(layer.input(), "x", 2, true).error().message,
              HasSubstr("needs scores"));
}

}  // namespace
}  // namespace sluice::kernels
