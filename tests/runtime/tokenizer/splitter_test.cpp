// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/splitter.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::runtime {
namespace {

using Behavior = SplitStep::Behavior;
using Strings = std::vector<std::string>;

Strings split(std::vector<SplitStep> steps, std::string_view text) {
  const auto splitter = Splitter::make(steps);
  EXPECT_TRUE(splitter);
  Splitter::Scan scan(*splitter);
  const auto& pieces = scan.split(text);
  return {pieces.begin(), pieces.end()};
}

// The examples of the `tokenizers` package's documentation of SplitDelimiterBehavior.
TEST(Splitter, FollowsEachBehavior) {
  const auto by_dash = [](Behavior behavior) {
    return split({{.pattern = "-", .behavior = behavior}}, "the-final--countdown");
  };
  EXPECT_EQ(by_dash(Behavior::kRemoved), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(by_dash(Behavior::kIsolated), (Strings{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(by_dash(Behavior::kMergedWithPrevious), (Strings{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(by_dash(Behavior::kMergedWithNext), (Strings{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(by_dash(Behavior::kContiguous), (Strings{"the", "-", "final", "--", "countdown"}));
}

TEST(Splitter, InvertsWhatMatches) {
  EXPECT_EQ(
      split({{.pattern = "[a-z]+", .behavior = Behavior::kRemoved, .invert = true}}, "ab 1 cd"),
      (Strings{"ab", "cd"}));
}

TEST(Splitter, LaterStepsSeeEachPieceAlone) {
  EXPECT_EQ(split({{.pattern = "[0-9]"}, {.pattern = R"(\s+(?!\S)|\s+)"}}, "a 1b"),
            (Strings{"a", " ", "1", "b"}));
}

TEST(Splitter, WithoutStepsTheTextIsOnePiece) { EXPECT_EQ(split({}, "a b"), Strings{"a b"}); }

}  // namespace
}  // namespace sluice::runtime
