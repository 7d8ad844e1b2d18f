// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/grade/grade.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PortableLog2, IsTheLogarithm) {
  for (const float value : {1e-42F, 1e-38F, 1e-9F, 0.1F, 0.9999F, 1.0F, 1.5F, 2.0F, 3e38F}) {
    EXPECT_NEAR(portable_log2(value), std::log2(static_cast<double>(value)), 1e-6) << value;
  }
}

Status grade(const ParameterMap& values, SelectState& state) {
  const StageRow row = grade_row();
  const auto parameters = Parameters::parse(row.name, row.parameters, values);
  EXPECT_TRUE(parameters);
  const auto stage = row.create(*parameters);
  EXPECT_TRUE(stage);
  return dynamic_cast<const SelectStage&>(**stage).select({}, state);
}

SelectState state_of(std::vector<float> importance) {
  SelectState state;
  state.levels.tokens = static_cast<std::int64_t>(importance.size());
  state.levels.level.assign(importance.size(), 1);
  state.levels.importance = std::move(importance);
  return state;
}

TEST(Grade, GivesOctavesOfImportanceLevels) {
  // Mean logarithm 0; strength 1/2: 4 octaves more important are 2 octaves, or 4 levels, finer.
  SelectState state = state_of({1.0F, 4.0F, 0.25F, 16.0F, 0.0625F});
  ASSERT_TRUE(grade({{"strength", 0.5}}, state));
  EXPECT_THAT(state.levels.level, ElementsAre(4, 2, 6, 1, 8));
}

TEST(Grade, LeavesExactAndDroppedTokensAlone) {
  SelectState state = state_of({1.0F, 1e6F, 0.0F, 4.0F, 0.25F});
  state.levels.level[1] = kLevelExact;
  state.levels.level[2] = kLevelDropped;
  ASSERT_TRUE(grade({{"strength", 0.5}}, state));
  EXPECT_THAT(state.levels.level, ElementsAre(4, kLevelExact, kLevelDropped, 2, 6));
}

TEST(Grade, OfEqualOrNoImportanceIsNeutral) {
  SelectState equal = state_of({0.0F, 0.0F});
  ASSERT_TRUE(grade({}, equal));
  EXPECT_THAT(equal.levels.level, ElementsAre(kGradeNeutral, kGradeNeutral));
  SelectState empty = state_of({});
  EXPECT_TRUE(grade({}, empty));
}

TEST(Grade, RefusesWhatHasNoImportance) {
  SelectState state = state_of({1.0F, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_THAT(grade({}, state).error().message, HasSubstr("not a number"));
  state.levels.importance.clear();
  EXPECT_THAT(grade({}, state).error().message, HasSubstr("a selector must come before"));
}

}  // namespace
}  // namespace sluice::kernels
