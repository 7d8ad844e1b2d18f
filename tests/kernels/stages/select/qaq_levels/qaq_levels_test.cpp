// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/qaq_levels/qaq_levels.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

// One head of four elements, no outliers apart, errors of 1 and a query of at most 1. Of T = 4
// tokens V needs range * T * a / 2 steps, and K range * T * x * sqrt(4) / 2.
TEST(QaqLevels, BitsFollowWhatAttentionBears) {
  SelectCase layer(4);
  layer.scores.window_first = 3;
  layer.scores.window.resize(4);
  layer.scores.peak = {0.5F, 0.25F, 0.0F, 0.25F};
  const std::vector<float> keys{0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8};
  layer.fill(4, keys, keys);
  const ParameterMap values{{"bits", std::vector<double>{8, 3, 2}},
                            {"query_max", 1.0},
                            {"outliers", 0.0},
                            {"window", 1.0}};
  // K: x = max(a (1 - a), a * the largest other) = 0.25, 0.1875, 0, 0.1875: 8, 6, 0, 6 steps.
  // V: 8, 4, 0, 4 steps. 2^3 - 1 = 7 are too few for the first; 2^2 - 1 do for the third.
  layer.run(qaq_levels_row(), values).value();
  EXPECT_EQ(layer.levels(), "1 2 3 2");
}

TEST(QaqLevels, TheWindowButItsFirstTokenIsFinestAndExactStays) {
  SelectCase layer(5);
  layer.scores.window_first = 2;
  layer.scores.window.resize(5);
  layer.scores.peak.resize(5);
  layer.fill(2, std::vector<float>(10), std::vector<float>(10));
  layer.state.levels.level = {kLevelExact, kLevelDropped, 1, 1, 1};
  layer.run(qaq_levels_row(), {{"bits", std::vector<double>{8, 2}}, {"window", 3.0}}).value();
  EXPECT_EQ(layer.levels(), "E 0 2 1 1");
}

TEST(QaqLevels, HeadsShareTheFinerLevelOrHaveTheirOwn) {
  for (const bool is_per_head : {false, true}) {
    SelectCase layer(3, 2);
    layer.scores.window_first = 2;
    layer.scores.window.resize(6);
    layer.scores.peak = {1.0F, 0, 0, 0, 1.0F, 0};
    layer.fill(2, std::vector<float>(12), {0, 50, 0, 50, 0, 50, 0, 50, 0, 50, 0, 50});
    layer
        .run(qaq_levels_row(), {{"bits", std::vector<double>{8, 2}},
                                {"window", 1.0},
                                {"scope", std::string(is_per_head ? "head" : "layer")}})
        .value();
    EXPECT_EQ(layer.levels(0), is_per_head ? "1 2 2" : "1 1 2");
    if (is_per_head) {
      EXPECT_EQ(layer.levels(1), "2 1 2");
    }
  }
}

TEST(QaqLevels, OutliersDoNotCountInTheRange) {
  for (const double outliers : {0.0, 0.5}) {
    SelectCase layer(2);
    layer.scores.window_first = 1;
    layer.scores.window.resize(2);
    layer.scores.peak = {1.0F, 0};
    layer.fill(4, std::vector<float>(8), {-90, 1, 2, 90, 0, 0, 0, 0});
    layer
        .run(qaq_levels_row(),
             {{"bits", std::vector<double>{8, 2}}, {"window", 1.0}, {"outliers", outliers}})
        .value();
    EXPECT_EQ(layer.levels(), outliers > 0 ? "2 2" : "1 2");
  }
}

TEST(QaqLevels, BadBitsAndMissingWeightsAreSentences) {
  SelectCase layer(2);
  EXPECT_THAT(layer.kept(qaq_levels_row(), {}), HasSubstr("needs 'bits'"));
  EXPECT_THAT(layer.kept(qaq_levels_row(), {{"bits", std::vector<double>{2, 4}}}),
              HasSubstr("falling"));
  layer.scores.window_first = 1;
  EXPECT_THAT(layer.kept(qaq_levels_row(), {{"bits", std::vector<double>{4}}, {"window", 1.0}}),
              HasSubstr("largest weights"));
}

}  // namespace
}  // namespace sluice::kernels
