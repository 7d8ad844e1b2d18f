// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/adakv/adakv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(AdaKv, HeadsShareTheNextSelectorsBudget) {
  SelectCase layer(4);
  layer.run(adakv_row(), {}).value();
  EXPECT_TRUE(layer.state.shares_heads);
  EXPECT_FLOAT_EQ(layer.state.head_floor, 0.2F);
  EXPECT_EQ(layer.kept(), "0 1 2 3");
  EXPECT_THAT(layer.kept(adakv_row(), {{"floor", 1.5}}), HasSubstr("floor"));
}

}  // namespace
}  // namespace sluice::kernels
