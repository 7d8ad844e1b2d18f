// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/nacl/nacl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

ParameterMap values_with(double random) {
  return {{"budget", 22.0}, {"sinks", 0.0}, {"window", 2.0}, {"random", random}};
}

SelectCase falling(std::uint64_t seed) {
  SelectCase layer(42);
  layer.seed = seed;
  layer.scores.window_first = 40;
  for (int t = 0; t < 42; ++t) layer.scores.window.push_back(static_cast<float>(42 - t));
  return layer;
}

TEST(Nacl, WithoutRandomnessKeepsTheBestAndTheProxies) {
  EXPECT_EQ(falling(1).kept(nacl_row(), values_with(0.0)),
            "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 40 41");
}

TEST(Nacl, DrawsItsPartBySeedAmongTheRest) {
  const std::string one = falling(1).kept(nacl_row(), values_with(0.5));
  EXPECT_EQ(one, falling(1).kept(nacl_row(), values_with(0.5)));
  EXPECT_NE(one, falling(2).kept(nacl_row(), values_with(0.5)));
  EXPECT_THAT(one, ::testing::StartsWith("0 1 2 3 4 5 6 7 8 9 "));
  EXPECT_THAT(one, ::testing::EndsWith(" 40 41"));
  EXPECT_EQ(std::count(one.begin(), one.end(), ' '), 21);
}

// A token without weight is drawn only when there is nothing else.
TEST(Nacl, DrawsByWeight) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SelectCase layer(6);
    layer.seed = seed;
    layer.scores.window_first = 5;
    layer.scores.window = {0, 1, 0, 1, 0, 0};
    EXPECT_EQ(
        layer.kept(nacl_row(), {{"budget", 3.0}, {"sinks", 0.0}, {"window", 1.0}, {"random", 1.0}}),
        "1 3 5");
  }
  EXPECT_THAT(SelectCase(3).kept(nacl_row(), {{"window", 0.0}}), HasSubstr("needs a 'window'"));
}

}  // namespace
}  // namespace sluice::kernels
