// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/streaming/streaming.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

TEST(Streaming, KeepsSinksAndTheMostRecent) {
  SelectCase layer(10, 2);
  EXPECT_EQ(layer.kept(streaming_row(), {{"budget", 5.0}, {"sinks", 2.0}}), "0 1 7 8 9");
  EXPECT_EQ(layer.state.levels.heads, 1);
}

TEST(Streaming, AFullBudgetKeepsAll) {
  SelectCase layer(3);
  EXPECT_EQ(layer.kept(streaming_row(), {{"budget", 1.0}}), "0 1 2");
  EXPECT_THAT(SelectCase(3).kept(streaming_row(), {{"depth", 1.0}}), HasSubstr("no parameter"));
}

}  // namespace
}  // namespace sluice::kernels
