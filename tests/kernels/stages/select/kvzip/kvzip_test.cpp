// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/kvzip/kvzip.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(KvZip, KeepsWhatRepeatingThePromptLookedAt) {
  SelectCase layer(4, 2);
  layer.scores.reconstruction = {0.1F, 0.9F, 0.2F, 0.8F, 0.7F, 0.1F, 0.6F, 0.5F};
  EXPECT_EQ(layer.kept(kvzip_row(), {{"budget", 2.0}, {"sinks", 0.0}}), "1 3");
  EXPECT_EQ(layer.kept(1), "0 2");
}

TEST(KvZip, ASecondPassIsAskedFor) {
  const auto stage = create_stage(kvzip_row(), {}).value();
  const ScoreNeeds needs = static_cast<const SelectStage&>(*stage).score_needs();
  EXPECT_TRUE(needs.reconstruction);
  EXPECT_TRUE(needs.any());
  ScoreNeeds joined;
  joined.join(needs);
  EXPECT_TRUE(joined.reconstruction);
}

TEST(KvZip, WithoutScoresItIsRefused) {
  SelectCase layer(4);
  layer.has_scores = false;
  EXPECT_THAT(layer.kept(kvzip_row(), {}), HasSubstr("prompt's repetition"));
}

}  // namespace
}  // namespace sluice::kernels
