// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/letter_case.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(LetterCase, LowersLettersOfEveryScriptAndKeepsTheRest) {
  EXPECT_EQ(lowercase("ABC xyz 123_"), "abc xyz 123_");
  EXPECT_EQ(lowercase("ÉCOLE ŁÓDŹ ΑΘΗΝΑ МОСКВА"), "école łódź αθηνα москва");
  EXPECT_EQ(lowercase("日本 ß"), "日本 ß");
  EXPECT_EQ(lowercase("A\xff\xc3"), "a\xff\xc3");  // not UTF-8: as it is
  EXPECT_EQ(lowercase(""), "");
}

TEST(LetterCase, WordsAreLettersNumbersAndUnderscore) {
  for (const char32_t word : {U'a', U'Z', U'0', U'_', U'é', U'日', U'½', U'Ⅳ'}) {
    EXPECT_TRUE(is_word_character(word)) << static_cast<unsigned>(word);
  }
  for (const char32_t other : {U' ', U'-', U'\'', U'“', U'’', U'—', U'€', U'\u0301'}) {
    EXPECT_FALSE(is_word_character(other)) << static_cast<unsigned>(other);
  }
}

TEST(LetterCase, SpacesAreThoseOfPython) {
  for (const char32_t space : {U' ', U'\t', U'\n', U'\v', U'\u00a0', U'\u2003', U'\u3000',
                               U'\u2028', static_cast<char32_t>(0x1c)}) {
    EXPECT_TRUE(is_space_character(space)) << static_cast<unsigned>(space);
  }
  for (const char32_t other : {U'a', U'\u200b', U'_', static_cast<char32_t>(0x1b)}) {
    EXPECT_FALSE(is_space_character(other)) << static_cast<unsigned>(other);
  }
}

}  // namespace
}  // namespace sluice::runtime
