// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/utf8.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(Utf8, KnowsWellFormedCharacters) {
  EXPECT_EQ(utf8_character_bytes("a", 0), 1U);
  EXPECT_EQ(utf8_character_bytes("\xC3\xA9", 0), 2U);
  EXPECT_EQ(utf8_character_bytes("\xE4\xBD\xA0", 0), 3U);
  EXPECT_EQ(utf8_character_bytes("\xF4\x8F\xBF\xBF", 0), 4U);  // U+10FFFF
}

TEST(Utf8, RefusesWhatIsNotWellFormed) {
  for (const char* bytes :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC3", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE4\xBD", "\xE4\xBD\x41"}) {
    EXPECT_EQ(utf8_character_bytes(bytes, 0), 0U) << bytes;
  }
}

TEST(Utf8, FindsRuns) {
  const std::string text = "a\xC3\xA9\xFF\xFE\x62";
  EXPECT_EQ(utf8_valid_run_bytes(text, 0), 3U);
  EXPECT_EQ(utf8_invalid_run_bytes(text, 3), 2U);
  EXPECT_EQ(utf8_valid_run_bytes(text, 5), 1U);
  EXPECT_EQ(utf8_invalid_run_bytes(text, 5), 0U);
}

TEST(Utf8, CountsBytesOfAnUnfinishedCharacter) {
  EXPECT_EQ(utf8_unfinished_bytes(""), 0U);
  EXPECT_EQ(utf8_unfinished_bytes("ab"), 0U);
  EXPECT_EQ(utf8_unfinished_bytes("a\xC3"), 1U);
  EXPECT_EQ(utf8_unfinished_bytes("a\xF0\x9F\x98"), 3U);
  EXPECT_EQ(utf8_unfinished_bytes("\xE4\xBD"), 2U);
  EXPECT_EQ(utf8_unfinished_bytes("\xE4\xBD\xA0"), 0U);
  EXPECT_EQ(utf8_unfinished_bytes("\x80\x80"), 0U);  // can never become one
  EXPECT_EQ(utf8_unfinished_bytes("\xED\xA0"), 0U);  // half a surrogate: neither
  EXPECT_EQ(utf8_unfinished_bytes("\xFF"), 0U);
}

TEST(Utf8, CodePointsGoBothWays) {
  for (const char32_t c :
       {U'\0', U'a', U'\u07FF', U'\u0800', U'\uFFFD', U'\U00010000', U'\U0010FFFF'}) {
    std::string text;
    append_utf8(text, c);
    EXPECT_EQ(utf8_character_bytes(text, 0), text.size());
    EXPECT_EQ(utf8_code_point(text), c);
  }
}

}  // namespace
}  // namespace sluice::runtime
