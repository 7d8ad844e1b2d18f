// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/graded/graded.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

std::string levels_of(std::int64_t layer, std::int64_t layers, double groups) {
  SelectCase one(3, 1, layers);
  one.layer = layer;
  one.state.levels.level = {1, kLevelExact, kLevelDropped};
  const Status status = one.run(graded_row(), {{"groups", groups}});
  return status ? one.levels() : status.error().message;
}

TEST(Graded, ThirdsOfTheDepthGrowCoarser) {
  EXPECT_EQ(levels_of(0, 7, 3), "1 E 0");
  EXPECT_EQ(levels_of(2, 7, 3), "1 E 0");
  EXPECT_EQ(levels_of(3, 7, 3), "2 E 0");
  EXPECT_EQ(levels_of(5, 7, 3), "3 E 0");
  EXPECT_EQ(levels_of(6, 7, 3), "3 E 0");
  EXPECT_EQ(levels_of(1, 2, 8), "5 E 0");
  EXPECT_THAT(levels_of(0, 7, 9), HasSubstr("groups"));
}

}  // namespace
}  // namespace sluice::kernels
