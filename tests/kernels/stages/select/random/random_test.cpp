// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/random/random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

std::string drawn(std::uint64_t seed, std::int64_t layer, const char* scope, std::int64_t head) {
  SelectCase one(60, 2);
  one.seed = seed;
  one.layer = layer;
  one.has_scores = false;
  return one.kept(random_row(), {{"budget", 20.0}, {"scope", std::string(scope)}}, head);
}

TEST(Random, RepeatsForASeedAndDiffersOtherwise) {
  const std::string one = drawn(1, 0, "head", 0);
  EXPECT_EQ(one, drawn(1, 0, "head", 0));
  EXPECT_NE(one, drawn(2, 0, "head", 0));
  EXPECT_NE(one, drawn(1, 1, "head", 0));
  EXPECT_NE(one, drawn(1, 0, "head", 1));
  EXPECT_EQ(std::count(one.begin(), one.end(), ' '), 19);
}

// Frames of one seed are the same on every machine, and stay so.
TEST(Random, DrawsTheseTokensForever) {
  SelectCase layer(12);
  EXPECT_EQ(layer.kept(random_row(), {{"budget", 4.0}, {"sinks", 0.0}}), "0 5 8 11");
}

TEST(Random, AllLayersMayShareASet) {
  const auto stage = create_stage(random_row(), {{"budget", 2.0}, {"scope", "model"}}).value();
  const auto& select = static_cast<const SelectStage&>(*stage);
  SelectCase layer(20);
  std::vector<float> scales(4, 1.0F);
  LayerScores shared;
  select.plan_layers(layer.input(), {}, scales, shared).value();
  EXPECT_EQ(shared.window.size(), 20U);
  layer.shared = &shared;
  select.select(layer.input(), layer.state).value();
  SelectCase next(20);
  next.layer = 3;
  next.shared = &shared;
  select.select(next.input(), next.state).value();
  EXPECT_EQ(layer.kept(), next.kept());
}

}  // namespace
}  // namespace sluice::kernels
