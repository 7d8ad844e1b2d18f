// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/graded_tokens/graded_tokens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

std::string graded(const std::vector<float>& importance, const std::vector<double>& shares,
                   bool drops_last, std::vector<std::uint8_t> levels = {}) {
  SelectCase one(static_cast<std::int64_t>(importance.size()));
  one.state.levels.importance = importance;
  if (!levels.empty()) one.state.levels.level = std::move(levels);
  const Status status =
      one.run(graded_tokens_row(), {{"shares", shares}, {"drop_last", drops_last}});
  return status ? one.levels() : status.error().message;
}

TEST(GradedTokens, ImportantTokensAreFiner) {
  EXPECT_EQ(graded({1, 5, 3, 4, 2}, {0.2, 0.4, 0.4}, false), "3 1 2 2 3");
  EXPECT_EQ(graded({1, 5, 3, 4, 2}, {0.2, 0.4, 0.4}, true), "0 1 2 2 0");
}

TEST(GradedTokens, OfEqualsTheLowerTokenIsFiner) {
  EXPECT_EQ(graded({1, 1, 1, 1}, {0.5, 0.5}, false), "1 1 2 2");
}

TEST(GradedTokens, ExactAndDroppedTokensDoNotCount) {
  EXPECT_EQ(graded({9, 8, 1, 2}, {0.5, 0.5}, false, {kLevelExact, kLevelDropped, 1, 1}), "E 0 2 1");
}

TEST(GradedTokens, TheLastShareTakesWhatIsLeft) {
  EXPECT_EQ(graded({3, 2, 1}, {0.3, 0.3}, false), "1 2 2");
  EXPECT_EQ(graded({}, {1.0}, false), "");
  EXPECT_EQ(graded({5}, {0.1, 0.9}, true), "0");
}

TEST(GradedTokens, HeadsAreGradedApart) {
  SelectCase one(2, 2);
  one.state.levels.heads = 2;
  one.state.levels.level = {1, 1, 1, 1};
  one.state.levels.importance = {1, 2, 9, 8};
  one.run(graded_tokens_row(), {{"shares", std::vector<double>{0.5, 0.5}}}).value();
  EXPECT_EQ(one.levels(0), "2 1");
  EXPECT_EQ(one.levels(1), "1 2");
}

TEST(GradedTokens, BadSharesAndMissingImportanceAreSentences) {
  EXPECT_THAT(graded({1}, {}, false), HasSubstr("needs 'shares'"));
  EXPECT_THAT(graded({1}, {0.6, 0.6}, false), HasSubstr("needs 'shares'"));
  EXPECT_THAT(graded({1, NAN}, {1.0}, false), HasSubstr("not a number"));
  SelectCase none(2);
  EXPECT_THAT(none.kept(graded_tokens_row(), {{"shares", std::vector<double>{1.0}}}),
              HasSubstr("a selector must come before"));
}

}  // namespace
}  // namespace sluice::kernels
