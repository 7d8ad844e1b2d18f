// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/knorm/knorm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(KNorm, KeepsSmallKeys) {
  SelectCase layer(4, 2);
  layer.fill(2, {3, 4, 1, 0, 0, 2, 1, 1, 0, 1, 5, 0, 0, 0, 2, 2});
  EXPECT_EQ(layer.kept(knorm_row(), {{"budget", 2.0}, {"sinks", 0.0}}), "1 3");
  EXPECT_EQ(layer.kept(1), "0 2");
  EXPECT_FLOAT_EQ(layer.state.levels.importance[0], -5.0F);
}

TEST(KNorm, HasNoSetForAllLayers) {
  EXPECT_THAT(SelectCase(2).kept(knorm_row(), {{"scope", std::string("model")}}),
              HasSubstr("head or layer"));
}

}  // namespace
}  // namespace sluice::kernels
