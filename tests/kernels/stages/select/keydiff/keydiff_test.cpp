// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/keydiff/keydiff.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

// Directions (1,0), (1,0), (0,1), (0,0): the anchor is (2,1); cosines 0.894, 0.894, 0.447, 0.
TEST(KeyDiff, KeepsKeysUnlikeTheMean) {
  SelectCase layer(4);
  layer.fill(2, {1, 0, 7, 0, 0, 3, 0, 0});
  EXPECT_EQ(layer.kept(keydiff_row(), {{"budget", 2.0}, {"sinks", 0.0}}), "2 3");
  EXPECT_NEAR(layer.state.levels.importance[1], -0.894427F, 1e-5F);
  EXPECT_NEAR(layer.state.levels.importance[2], -0.447214F, 1e-5F);
}

TEST(KeyDiff, KeysOfZerosAreDefined) {
  SelectCase layer(3);
  layer.fill(2, std::vector<float>(6));
  EXPECT_EQ(layer.kept(keydiff_row(), {{"budget", 1.0 / 3}, {"sinks", 0.0}}), "0");
  EXPECT_THAT(layer.kept(keydiff_row(), {{"scope", std::string("model")}}),
              HasSubstr("head or layer"));
}

}  // namespace
}  // namespace sluice::kernels
