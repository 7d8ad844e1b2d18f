// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/pyramid/pyramid.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

float scale_of(std::int64_t layer, std::int64_t layers, const ParameterMap& values) {
  SelectCase one(4, 1, layers);
  one.layer = layer;
  one.run(pyramid_row(), values).value();
  return one.state.budget_scale;
}

TEST(Pyramid, FallsLinearlyAroundTheMean) {
  EXPECT_FLOAT_EQ(scale_of(0, 3, {}), 1.95F);
  EXPECT_FLOAT_EQ(scale_of(1, 3, {}), 1.0F);
  EXPECT_FLOAT_EQ(scale_of(2, 3, {}), 0.05F);
  EXPECT_FLOAT_EQ(scale_of(0, 1, {}), 1.0F);
  EXPECT_FLOAT_EQ(scale_of(2, 3, {{"beta", 4.0}}), 0.25F);
}

// At a mean of 80 % the first layer gets all, 1 / 0.8, and the last what that leaves.
TEST(Pyramid, GivesNoLayerMoreThanThereIs) {
  EXPECT_FLOAT_EQ(scale_of(0, 3, {{"budget", 0.8}}), 1.25F);
  EXPECT_FLOAT_EQ(scale_of(2, 3, {{"budget", 0.8}}), 0.75F);
  EXPECT_FLOAT_EQ(scale_of(0, 3, {{"budget", 0.3}}), 1.95F);
  EXPECT_THAT(SelectCase(1).kept(pyramid_row(), {{"beta", 0.5}}), HasSubstr("beta"));
}

}  // namespace
}  // namespace sluice::kernels
