// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "runtime/tokenizer/tokenizer.hpp"
#include "runtime/tokenizer/utf8.hpp"
#include "tests/runtime/tokenizer/fake_gguf.hpp"

namespace sluice::runtime {
namespace {

std::unique_ptr<Tokenizer> byte_level() { return Tokenizer::from_gguf(byte_level_gguf()).value(); }
std::unique_ptr<Tokenizer> sentence_piece() {
  return Tokenizer::from_gguf(sentence_piece_gguf()).value();
}

TEST(StreamDecoder, HoldsAnUnfinishedCharacterBack) {
  const auto tokenizer = byte_level();
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(259), "hello");
  EXPECT_EQ(decoder.push(0xE4), "");
  EXPECT_EQ(decoder.push(0xBD), "");
  EXPECT_EQ(decoder.push(0xA0), "\u4F60");
  EXPECT_EQ(decoder.push(0xC3), "");
  EXPECT_EQ(decoder.push('a'),
            "\xC3"
            "a");  // it never became one
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.finish(), "\xF0");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, ControlTokensWriteNothing) {
  const auto tokenizer = sentence_piece();
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(1), "");
  EXPECT_EQ(decoder.push(262), "ab");  // the first that writes loses its space
  EXPECT_EQ(decoder.push(2), "");
  EXPECT_EQ(decoder.push(262), " ab");
}

TEST(StreamDecoder, ASpaceMayBeTheWholeFirstToken) {
  const auto tokenizer = sentence_piece();
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(264), "");
  EXPECT_EQ(decoder.push(262), " ab");
}

// A completion is appended to its prompt.
TEST(StreamDecoder, ATextThatContinuesKeepsItsFirstSpace) {
  const auto tokenizer = sentence_piece();
  StreamDecoder decoder(*tokenizer, true);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(decoder.push(1), "");
    EXPECT_EQ(decoder.push(262), " ab");
    EXPECT_EQ(decoder.push(262), " ab");
    EXPECT_EQ(decoder.finish(), "");
  }
}

TEST(StreamDecoder, PromptAndContinuationAreTheWholeText) {
  for (const auto& tokenizer : {byte_level(), sentence_piece()}) {
    const std::string prompt = "ab";
    const std::string whole = "ab abc  b";
    const auto ids = tokenizer->encode(whole, {.add_special = false});
    const auto before = tokenizer->encode(prompt, {.add_special = false});
    ASSERT_TRUE(std::equal(before.begin(), before.end(), ids.begin()));
    StreamDecoder decoder(*tokenizer, true);
    std::string text = prompt;
    for (std::size_t i = before.size(); i < ids.size(); ++i) text += decoder.push(ids[i]);
    EXPECT_EQ(text + decoder.finish(), whole);
  }
}

TEST(StreamDecoder, GivesWholeCharacters) {
  const std::string text = "h\u00e9llo \u4F60\u597D \U0001F468\u200D\U0001F680";
  for (const auto& tokenizer : {byte_level(), sentence_piece()}) {
    StreamDecoder decoder(*tokenizer);
    for (const TokenId id : tokenizer->encode(text)) {
      const std::string piece = decoder.push(id);
      ASSERT_EQ(utf8_valid_run_bytes(piece, 0), piece.size());
    }
    EXPECT_EQ(decoder.finish(), "");
  }
}

TEST(StreamDecoder, IsDecodeInPieces) {
  std::mt19937 random(17);
  for (const auto& tokenizer : {byte_level(), sentence_piece()}) {
    for (int round = 0; round < 2000; ++round) {
      std::vector<TokenId> ids(random() % 20);
      for (auto& id : ids) id = static_cast<TokenId>(random() % 280) - 2;
      StreamDecoder decoder(*tokenizer);
      std::string text;
      for (const TokenId id : ids) text += decoder.push(id);
      ASSERT_EQ(text + decoder.finish(), tokenizer->decode(ids));
    }
  }
}

}  // namespace
}  // namespace sluice::runtime
