// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/protect/protect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(Protect, SinksWindowAndQuestionAreExact) {
  SelectCase layer(8);
  layer.scores.window_first = 5;
  layer.run(protect_row(), {{"sinks", 1.0}, {"window", 2.0}}).value();
  EXPECT_EQ(layer.levels(), "E 1 1 1 1 1 E E");
  layer.run(protect_row(), {{"sinks", 0.0}, {"question", true}}).value();
  EXPECT_EQ(layer.levels(), "E 1 1 1 1 E E E");
}

TEST(Protect, WhatIsDroppedStaysDroppedForEachHead) {
  SelectCase layer(3, 2);
  layer.state.levels.heads = 2;
  layer.state.levels.level = {1, 1, 0, 0, 1, 1};
  layer.run(protect_row(), {{"sinks", 1.0}, {"window", 1.0}}).value();
  EXPECT_EQ(layer.levels(0), "E 1 0");
  EXPECT_EQ(layer.levels(1), "0 1 E");
}

TEST(Protect, MoreThanThereIsAndNothingAreDefined) {
  SelectCase layer(2);
  layer.run(protect_row(), {{"sinks", 9.0}, {"window", 9.0}}).value();
  EXPECT_EQ(layer.levels(), "E E");
  SelectCase empty(0);
  EXPECT_TRUE(empty.run(protect_row(), {}));
  SelectCase none(2);
  none.has_scores = false;
  EXPECT_THAT(none.kept(protect_row(), {{"question", true}}), HasSubstr("has no scores"));
}

}  // namespace
}  // namespace sluice::kernels
