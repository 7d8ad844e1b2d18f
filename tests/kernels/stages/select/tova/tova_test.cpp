// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/tova/tova.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(Tova, HeadsShareWhatTheLastTokenLooksAt) {
  SelectCase layer(4, 2);
  layer.scores.window_first = 3;
  layer.scores.window = {0.5F, 0, 0.3F, 0.2F, 0, 0.4F, 0.3F, 0.3F};
  EXPECT_EQ(layer.kept(tova_row(), {{"budget", 2.0}, {"sinks", 0.0}}), "2 3");
  EXPECT_EQ(layer.state.levels.heads, 1);
}

TEST(Tova, AnotherStagesWindowIsRefused) {
  SelectCase layer(4);
  layer.scores.window_first = 2;
  EXPECT_THAT(layer.kept(tova_row(), {}), HasSubstr("another window"));
}

}  // namespace
}  // namespace sluice::kernels
