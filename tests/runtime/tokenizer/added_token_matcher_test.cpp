// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/added_token_matcher.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(AddedTokenMatcher, TakesTheLeftmostThenTheLongest) {
  const AddedTokenMatcher matcher({{.id = 1, .content = "<a>"}, {.id = 2, .content = "<a>b"}});
  const auto match = matcher.next("x<a>bc", 0, true);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->token->id, 2);
  EXPECT_EQ(match->begin, 1U);
  EXPECT_EQ(match->end, 5U);
  EXPECT_FALSE(matcher.next("x<a", 0, true));
  EXPECT_FALSE(matcher.next("<a>", 1, true));
}

TEST(AddedTokenMatcher, SpecialTokensCountOnRequest) {
  const AddedTokenMatcher matcher(
      {{.id = 1, .content = "<s>", .special = true}, {.id = 2, .content = "<t>"}});
  EXPECT_EQ(matcher.next("<s><t>", 0, true)->token->id, 1);
  EXPECT_EQ(matcher.next("<s><t>", 0, false)->token->id, 2);
}

TEST(AddedTokenMatcher, TakesWhiteSpaceAsTold) {
  const AddedTokenMatcher matcher({{.id = 1, .content = "<m>", .lstrip = true, .rstrip = true}});
  const auto match = matcher.next("a \u3000<m>\n\tb", 0, true);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->begin, 1U);
  EXPECT_EQ(match->end, 10U);
  EXPECT_EQ(matcher.next("  <m>", 1, true)->begin, 1U);
}

TEST(AddedTokenMatcher, SingleWordsStandAlone) {
  const AddedTokenMatcher matcher({{.id = 1, .content = "cat", .single_word = true}});
  EXPECT_FALSE(matcher.next("concat", 0, true));
  EXPECT_FALSE(matcher.next("cat\u00e9", 0, true));
  EXPECT_EQ(matcher.next("cats, cat.", 0, true)->begin, 6U);
}

}  // namespace
}  // namespace sluice::runtime
