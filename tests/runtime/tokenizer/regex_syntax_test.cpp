// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/regex_syntax.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(RegexSyntax, LeavesOtherPatternsAlone) {
  for (const char* pattern :
       {"", "abc", R"(a\\s)", R"(\.\[s\])", R"([]a]+\d{1,3}(?!x))", R"(\p{Han}+)"}) {
    EXPECT_EQ(translate_regex(pattern), pattern);
  }
}

TEST(RegexSyntax, WritesSpacesOut) {
  EXPECT_THAT(translate_regex(R"(\s+)"), StartsWith(R"([\x{9}-\x{d} )"));
  EXPECT_THAT(translate_regex(R"(\S)"), StartsWith(R"([^\x{9})"));
  EXPECT_THAT(translate_regex(R"([^\s])"), StartsWith(R"([^\x{9})"));
  EXPECT_THAT(translate_regex(R"([^\s])"), Not(HasSubstr("[^[")));
}

TEST(RegexSyntax, AddsNewCharactersToCategories) {
  EXPECT_THAT(translate_regex(R"(\p{L})"), StartsWith(R"([\p{L}\x{1c89})"));
  EXPECT_THAT(translate_regex(R"(\P{N})"), StartsWith(R"([^\p{N}\x{)"));
  EXPECT_THAT(translate_regex(R"([\p{M}a])"), StartsWith(R"([\p{M}\x{897})"));
}

TEST(RegexSyntax, KnowsWhatItCannotTranslate) {
  EXPECT_TRUE(has_foreign_regex_syntax(R"([\p{L}&&[^a-z]])"));
  EXPECT_TRUE(has_foreign_regex_syntax(R"(\h+)"));
  EXPECT_FALSE(has_foreign_regex_syntax(R"(\p{L}&)"));
}

}  // namespace
}  // namespace sluice::runtime
