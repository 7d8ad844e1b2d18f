// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/byte_alphabet.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sluice::runtime {
namespace {

TEST(ByteAlphabet, EveryByteHasItsOwnCharacter) {
  std::set<std::string> characters;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string character = alphabet_character(static_cast<std::uint8_t>(byte));
    characters.insert(character);
    EXPECT_EQ(bytes_from_alphabet(character), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(characters.size(), 256U);
}

TEST(ByteAlphabet, HasTheKnownCharacters) {
  EXPECT_EQ(alphabet_character(' '), "\u0120");
  EXPECT_EQ(alphabet_character('\n'), "\u010A");
  EXPECT_EQ(alphabet_character('a'), "a");
  EXPECT_EQ(alphabet_character(0xAD), "\u0143");
}

TEST(ByteAlphabet, RefusesOtherCharacters) {
  EXPECT_EQ(bytes_from_alphabet("a b"), std::nullopt);
  EXPECT_EQ(bytes_from_alphabet("\u4F60"), std::nullopt);
  EXPECT_EQ(bytes_from_alphabet("\xFF"), std::nullopt);
  EXPECT_EQ(bytes_from_alphabet(""), "");
}

}  // namespace
}  // namespace sluice::runtime
