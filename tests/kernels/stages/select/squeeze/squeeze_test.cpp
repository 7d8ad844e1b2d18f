// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/squeeze/squeeze.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

std::vector<float> scales_of(const std::vector<float>& similarity, const ParameterMap& values,
                             std::string* error = nullptr) {
  const auto stage = create_stage(squeeze_row(), values).value();
  std::vector<LayerScores> scores(similarity.size());
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i].similarity = similarity[i];
  std::vector<float> scales(similarity.size(), 1.0F);
  LayerScores shared;
  const SelectCase layer(4, 1, static_cast<std::int64_t>(similarity.size()));
  const Status status =
      static_cast<const SelectStage&>(*stage).plan_layers(layer.input(), scores, scales, shared);
  if (!status && error != nullptr) *error = status.error().message;
  return scales;
}

// Groups {0.1}, {0.5, 0.52}, {0.9, 0.92}: the last two keep 0.4, the others share 5 - 0.8.
TEST(Squeeze, TheMostSimilarGroupGivesUpBudget) {
  EXPECT_THAT(scales_of({0.9F, 0.1F, 0.5F, 0.52F, 0.92F}, {{"share", 0.4}}),
              ::testing::Pointwise(::testing::FloatEq(), {0.4F, 1.4F, 1.4F, 1.4F, 0.4F}));
}

TEST(Squeeze, LayersAllAlikeOrTooFewKeepTheirBudgets) {
  EXPECT_THAT(scales_of({0.5F, 0.5F, 0.5F}, {}), ::testing::Each(1.0F));
  EXPECT_THAT(scales_of({0.5F, 0.9F}, {}), ::testing::Each(1.0F));
  EXPECT_THAT(scales_of({}, {}), ::testing::IsEmpty());
}

TEST(Squeeze, NanIsRefused) {
  std::string error;
  scales_of({0.1F, NAN, 0.5F}, {}, &error);
  EXPECT_THAT(error, HasSubstr("not a number"));
}

TEST(Squeeze, AsksForAllLayersSimilarity) {
  const auto stage = create_stage(squeeze_row(), {}).value();
  EXPECT_TRUE(static_cast<const SelectStage&>(*stage).needs_all_layers());
  EXPECT_TRUE(static_cast<const SelectStage&>(*stage).score_needs().similarity);
}

}  // namespace
}  // namespace sluice::kernels
