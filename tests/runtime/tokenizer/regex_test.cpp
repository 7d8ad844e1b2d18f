// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/regex.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::runtime {
namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << pattern;
  Regex::Scan scan(*regex);
  std::vector<std::string> found;
  RegexMatch match;
  for (std::size_t at = 0; scan.next(text, at, match); at = match.end) {
    found.emplace_back(text.substr(match.begin, match.end - match.begin));
  }
  return found;
}

using Strings = std::vector<std::string>;

TEST(Regex, FindsMatchesInOrder) {
  EXPECT_EQ(matches(R"(\p{N}{1,3})", "a1234b5"), (Strings{"123", "4", "5"}));
  EXPECT_EQ(matches("x", ""), Strings{});
}

TEST(Regex, NeverGivesAnEmptyMatch) { EXPECT_EQ(matches("a*", "baab"), Strings{"aa"}); }

TEST(Regex, SpacesAreThoseOfOniguruma) {
  EXPECT_EQ(matches(R"(\s+)", "a\u0085b\u3000c\u180Ed"), (Strings{"\u0085", "\u3000"}));
}

TEST(Regex, KnowsLettersOfUnicode16) {
  EXPECT_EQ(matches(R"(\p{L}+)", "a\U00031350b"), Strings{"a\U00031350b"});
}

TEST(Regex, EndsOfLinesAreAlwaysEnds) {
  EXPECT_EQ(matches(R"([ ]+$)", "a  \nb "), (Strings{"  ", " "}));
}

TEST(Regex, CaseFoldsBeyondAscii) {
  EXPECT_EQ(matches("(?i:'s|'t)", "'S'\u017F"), (Strings{"'S", "'\u017F"}));
}

TEST(Regex, RefusesWhatDoesNotCompile) {
  for (const char* pattern : {"(", "[a&&b]", "\\h", "a{2,1}"}) {
    const auto regex = Regex::compile(pattern);
    ASSERT_FALSE(regex);
    EXPECT_EQ(regex.error().code, ErrorCode::kUnsupported);
  }
}

TEST(Regex, AHostilePatternEnds) {
  EXPECT_EQ(matches("(a+)+$", std::string(40, 'a') + "b"), Strings{});
}

TEST(Regex, LongMatchesDoNotFail) {
  const std::string text(1 << 16, 'a');  // more than the JIT compiler's stack holds
  EXPECT_EQ(matches(R"((?:a|b)+)", text).size(), 1U);
}

}  // namespace
}  // namespace sluice::runtime
