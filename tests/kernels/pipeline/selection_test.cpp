// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/selection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/kv_fixture.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;
using tests::KvFixture;
using tests::KvFixtureSpec;

// Keeps tokens whose accumulated score, over all heads, is above a bound; notes what it was shown.
class AboveBound final : public SelectStage {
 public:
  explicit AboveBound(bool is_planned = false) : is_planned_(is_planned) {}
  ScoreNeeds score_needs() const override { return {.accumulated = true}; }
  bool needs_all_layers() const override { return is_planned_; }
  Status plan_layers(const SelectInput&, std::span<const LayerScores>, std::span<float> scales,
                     LayerScores& shared) const override {
    for (std::size_t i = 0; i < scales.size(); ++i) scales[i] *= static_cast<float>(i + 1);
    shared.tokens = 1;
    return {};
  }
  Status select(const SelectInput& input, SelectState& state) const override {
    budget_scale = state.budget_scale;
    was_shared = input.shared != nullptr;
    for (std::size_t t = 0; t < state.levels.level.size(); ++t) {
      sum = input.scores->accumulated[t];
      if (!(sum > 3.0F)) state.levels.level[t] = kLevelDropped;
    }
    if (is_wrong) state.levels.level.pop_back();
    return {};
  }

  bool is_wrong = false;
  mutable float budget_scale = 0;
  mutable bool was_shared = false;
  mutable float sum = 0;

 private:
  bool is_planned_;
};

class Selecting : public ::testing::Test {
 protected:
  Selecting() {
    LayerScores scores;
    scores.tokens = 3;
    scores.kv_heads = 1;
    scores.accumulated = {1, 2, 4};
    scores_.assign(2, scores);
    task_.pages = std::span(pages_).first(1);
    task_.last_token = 3;
    task_.scores = std::span(scores_).first(1);
  }
  Selection selection() { return {stages_, &cache_.shape(), nullptr}; }

  KvFixture cache_{KvFixtureSpec{.kv_heads = 1, .head_dim = 4, .tokens = 3}};
  std::vector<KvPages> pages_ = cache_.pages();
  std::vector<LayerScores> scores_;
  EncodeTask task_;
  AboveBound above_;
  std::vector<const SelectStage*> stages_{&above_};
};

TEST_F(Selecting, AppliesItsStages) {
  const auto levels = selection().select(task_);
  ASSERT_TRUE(levels) << levels.error().message;
  EXPECT_EQ(levels->level, (std::vector<std::uint8_t>{0, 0, 1}));
  EXPECT_EQ(above_.budget_scale, 1.0F);
}

TEST_F(Selecting, LayersOfAGroupShareTheSumOfTheirScores) {
  task_.pages = pages_;
  task_.scores = scores_;
  const auto levels = selection().select(task_);
  ASSERT_TRUE(levels);
  EXPECT_EQ(levels->level, (std::vector<std::uint8_t>{0, 1, 1}));
}

TEST_F(Selecting, MissingOrWrongScoresAreTold) {
  task_.scores = {};
  const auto missing = selection().select(task_);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("scores"));
  scores_[0].accumulated.pop_back();
  task_.scores = std::span(scores_).first(1);
  const auto wrong = selection().select(task_);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Selecting, APlanIsMadeOfAllLayersFirst) {
  const AboveBound planned(true);
  stages_ = {&planned};
  task_.scores = scores_;
  task_.layer_first = 1;
  EXPECT_FALSE(selection().select(task_));
  const auto plan = selection().plan_layers(3, scores_, 0);
  ASSERT_TRUE(plan) << plan.error().message;
  task_.plan = &*plan;
  ASSERT_TRUE(selection().select(task_));
  EXPECT_EQ(planned.budget_scale, 2.0F);
  EXPECT_TRUE(planned.was_shared);
  EXPECT_FALSE(selection().plan_layers(3, std::span(scores_).first(1), 0));
}

TEST_F(Selecting, AStageThatBreaksTheLevelsIsTold) {
  above_.is_wrong = true;
  const auto levels = selection().select(task_);
  ASSERT_FALSE(levels);
  EXPECT_EQ(levels.error().code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace sluice::kernels
