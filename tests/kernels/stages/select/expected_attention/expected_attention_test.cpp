// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/expected_attention/expected_attention.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(ExpectedAttention, CountsAShareByItsValueBehindTheProjection) {
  SelectCase layer(6);
  layer.scores.expected = {0, 0, 0, 0, 0.5F, 0.5F};
  layer.scores.expected_output = {0, 0, 1, 2, 3, 4};
  layer.scores.output_norm = {1, 1, 200, 1, 1, 1};
  // 1 + 0.02 * 200 = 5 wins.
  EXPECT_EQ(layer.kept(expected_attention_row(), {{"budget", 3.0}, {"sinks", 1.0}}), "0 2 5");
  SelectCase without = SelectCase(6);
  without.scores = layer.scores;
  EXPECT_EQ(
      without.kept(expected_attention_row(), {{"budget", 3.0}, {"sinks", 1.0}, {"epsilon", 0.0}}),
      "0 4 5");
}

TEST(ExpectedAttention, MayCountByTheValueItself) {
  SelectCase layer(4);
  layer.scores.expected = {0.4F, 0.3F, 0.2F, 0.1F};
  layer.fill(2, std::vector<float>(8), {1, 0, 1, 0, 3, 4, 0, 1});
  // Products 0.4, 0.3, 1.0, 0.1.
  const ParameterMap values{
      {"budget", 1.0 / 4}, {"sinks", 0.0}, {"epsilon", 0.0}, {"values", std::string("plain")}};
  EXPECT_EQ(layer.kept(expected_attention_row(), values), "2");
  EXPECT_FLOAT_EQ(layer.state.levels.importance[2], 1.0F);
}

TEST(ExpectedAttention, OrByNothing) {
  SelectCase layer(4);
  layer.scores.expected = {0.1F, 0.3F, 0.2F, 0.4F};
  EXPECT_EQ(layer.kept(expected_attention_row(),
                       {{"budget", 2.0}, {"sinks", 0.0}, {"values", std::string("none")}}),
            "1 3");
}

TEST(ExpectedAttention, MissingScoresAndValuesForAllLayersAreSentences) {
  SelectCase layer(4);
  layer.scores.expected.resize(4);
  EXPECT_THAT(layer.kept(expected_attention_row(), {}), HasSubstr("needs scores"));
  EXPECT_THAT(layer.kept(expected_attention_row(),
                         {{"values", std::string("plain")}, {"scope", std::string("model")}}),
              HasSubstr("head or layer"));
}

}  // namespace
}  // namespace sluice::kernels
