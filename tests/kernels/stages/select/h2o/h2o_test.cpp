// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/h2o/h2o.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(H2o, HalfAreHeavyAndHalfRecent) {
  SelectCase layer(8);
  layer.scores.accumulated = {1, 7, 2, 6, 3, 5, 0, 0};
  EXPECT_EQ(layer.kept(h2o_row(), {{"budget", 4.0}, {"sinks", 0.0}}), "1 3 6 7");
}

// 8/8, 8/7, 8/6 ... would fall with age; token 7 was seen by one query only.
TEST(H2o, NormalizedByTheQueriesThatCouldSee) {
  SelectCase layer(8);
  layer.scores.accumulated = {8, 7, 3, 2.5F, 2, 1.5F, 2, 1};
  const ParameterMap values{{"budget", 3.0}, {"sinks", 0.0}, {"recent", 0.0}, {"normalize", true}};
  EXPECT_EQ(layer.kept(h2o_row(), values), "0 1 6");
  SelectCase plain(8);
  plain.scores.accumulated = layer.scores.accumulated;
  EXPECT_EQ(plain.kept(h2o_row(), {{"budget", 3.0}, {"sinks", 0.0}, {"recent", 0.0}}), "0 1 2");
}

TEST(H2o, WithoutScoresIsASentence) {
  SelectCase layer(4);
  layer.has_scores = false;
  EXPECT_THAT(layer.kept(h2o_row(), {}), HasSubstr("needs scores"));
}

}  // namespace
}  // namespace sluice::kernels
