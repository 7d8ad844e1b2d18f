// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/snapkv/snapkv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

// Window of 2; pooled over 3: tokens 0 to 5 have 1/3, 2, 2, 5/3, 1, 2/3.
TEST(SnapKv, KeepsTheWindowAndWhatItsPooledVotesPrefer) {
  SelectCase layer(8);
  layer.scores.window_first = 6;
  layer.scores.window = {0, 1, 5, 0, 0, 2, 9, 9};
  EXPECT_EQ(
      layer.kept(snapkv_row(), {{"budget", 5.0}, {"sinks", 0.0}, {"window", 2.0}, {"pool", 3.0}}),
      "1 2 3 6 7");
}

TEST(SnapKv, AnotherWindowIsRefusedAndNoneToo) {
  SelectCase layer(8);
  layer.scores.window_first = 6;
  layer.scores.window.resize(8);
  EXPECT_THAT(layer.kept(snapkv_row(), {{"window", 3.0}}), HasSubstr("another window"));
  EXPECT_THAT(layer.kept(snapkv_row(), {{"window", 0.0}}), HasSubstr("needs a 'window'"));
}

TEST(SnapKv, APromptWithinTheWindowIsKept) {
  SelectCase layer(3);
  layer.scores.window_first = 0;
  layer.scores.window = {1, 2, 3};
  EXPECT_EQ(layer.kept(snapkv_row(), {{"budget", 0.0}}), "0 1 2");
}

}  // namespace
}  // namespace sluice::kernels
