// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/chunkkv/chunkkv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(ChunkKv, KeepsWholeChunks) {
  SelectCase layer(9);
  layer.scores.window_first = 8;
  layer.scores.window = {3, 0, 4, 4, 9, 0, 1, 1, 0};
  // Means of pairs: 1.5, 4, 4.5, 1; the budget has room for two pairs beside the window.
  EXPECT_EQ(
      layer.kept(chunkkv_row(), {{"budget", 5.0}, {"sinks", 0.0}, {"window", 1.0}, {"chunk", 2.0}}),
      "2 3 4 5 8");
  EXPECT_THAT(layer.kept(chunkkv_row(), {{"window", 0.0}}), HasSubstr("needs a 'window'"));
}

TEST(ChunkKv, AChunkThatDoesNotFitEndsIt) {
  SelectCase layer(9);
  layer.scores.window_first = 8;
  layer.scores.window = {3, 0, 4, 4, 9, 0, 1, 1, 0};
  EXPECT_EQ(
      layer.kept(chunkkv_row(), {{"budget", 4.0}, {"sinks", 0.0}, {"window", 1.0}, {"chunk", 2.0}}),
      "4 5 8");
}

}  // namespace
}  // namespace sluice::kernels
