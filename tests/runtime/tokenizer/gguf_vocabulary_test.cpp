// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/gguf_vocabulary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/runtime/tokenizer/fake_gguf.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class Change>
Error error_of(FakeGguf gguf, Change change) {
  change(gguf.values);
  const auto data = read_gguf_vocabulary(gguf);
  EXPECT_FALSE(data);
  return data ? Error{} : data.error();
}

TEST(GgufVocabulary, ReadsByteLevel) {
  const auto data = read_gguf_vocabulary(byte_level_gguf()).value();
  EXPECT_TRUE(data.byte_level);
  EXPECT_EQ(data.pieces.size(), 264U);
  EXPECT_EQ(data.merges.size(), 5U);
  EXPECT_EQ(data.merges[3].merged, 259);
  EXPECT_EQ(data.added_tokens.size(), 3U);
  EXPECT_TRUE(data.prefix.empty());
  EXPECT_EQ(data.bos, 262);
  EXPECT_THAT(data.end_of_text, ElementsAre(261));
  EXPECT_EQ(data.chat_template, "template");
}

TEST(GgufVocabulary, ReadsSentencePiece) {
  const auto data = read_gguf_vocabulary(sentence_piece_gguf()).value();
  EXPECT_FALSE(data.byte_level);
  EXPECT_TRUE(data.byte_fallback);
  EXPECT_EQ(data.normalizer.size(), 2U);
  EXPECT_THAT(data.prefix, ElementsAre(1));
  EXPECT_EQ(data.unknown, 0);
  EXPECT_THAT(data.end_of_text, ElementsAre(2));
}

// Fine-tunes of a base model: eos_token_id is still the base model's, the new token no control
// token.
TEST(GgufVocabulary, AnEndOfTurnTokenEndsWhateverItsTypeSays) {
  for (const std::int64_t type : {1, 2, 4}) {
    FakeGguf gguf = byte_level_gguf();
    std::get<std::vector<std::int64_t>>(gguf.values["tokenizer.ggml.token_type"])[261] = type;
    gguf.values["tokenizer.ggml.eos_token_id"] = std::uint64_t{262};
    const auto tokenizer = Tokenizer::from_gguf(gguf).value();
    EXPECT_THAT(tokenizer->end_of_text(), ElementsAre(261, 262)) << type;
    EXPECT_THAT(tokenizer->encode("he<|im_end|>"), ElementsAre(256, 261)) << type;
    EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{256, 261}), "he") << type;
  }
}

TEST(GgufVocabulary, BytesAndUnusedPiecesEndNothingAndHtmlIsText) {
  for (const auto& [type, name] : {std::pair{5, "<|im_end|>"}, {6, "<|im_end|>"}, {1, "</s>"}}) {
    FakeGguf gguf = byte_level_gguf();
    std::get<std::vector<std::int64_t>>(gguf.values["tokenizer.ggml.token_type"])[261] = type;
    std::get<std::vector<std::string>>(gguf.values["tokenizer.ggml.tokens"])[261] = name;
    gguf.values["tokenizer.ggml.eos_token_id"] = std::uint64_t{262};
    EXPECT_THAT(read_gguf_vocabulary(gguf).value().end_of_text, ElementsAre(262)) << type;
  }
}

TEST(GgufVocabulary, TheFileDecidesAboutBosAndEos) {
  FakeGguf gguf = sentence_piece_gguf();
  gguf.values["tokenizer.ggml.add_bos_token"] = false;
  gguf.values["tokenizer.ggml.add_eos_token"] = true;
  gguf.values["tokenizer.ggml.add_space_prefix"] = false;
  const auto data = read_gguf_vocabulary(gguf).value();
  EXPECT_TRUE(data.prefix.empty());
  EXPECT_THAT(data.suffix, ElementsAre(2));
  EXPECT_EQ(data.normalizer.size(), 1U);
  EXPECT_EQ(data.decode.strip_left, 0);
}

TEST(GgufVocabulary, AnUnknownPreTokenizerIsAnError) {
  const auto error = error_of(byte_level_gguf(), [](auto& values) {
    values["tokenizer.ggml.pre"] = std::string("esperanto");
  });
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("\"esperanto\" is not known"));
  EXPECT_EQ(error_of(byte_level_gguf(), [](auto& v) { v.erase("tokenizer.ggml.pre"); }).code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(
      error_of(byte_level_gguf(), [](auto& v) { v["tokenizer.ggml.model"] = std::string("bert"); })
          .code,
      ErrorCode::kUnsupported);
}

TEST(GgufVocabulary, MissingArraysAreErrors) {
  for (const char* key :
       {"tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.model"}) {
    EXPECT_EQ(error_of(byte_level_gguf(), [&](auto& v) { v.erase(key); }).code,
              ErrorCode::kNotFound);
  }
  EXPECT_EQ(error_of(sentence_piece_gguf(), [](auto& v) { v.erase("tokenizer.ggml.scores"); }).code,
            ErrorCode::kNotFound);
}

TEST(GgufVocabulary, LiesAreErrors) {
  const auto corrupts = [](FakeGguf gguf, const char* key, GgufValue value) {
    EXPECT_EQ(error_of(std::move(gguf), [&](auto& v) { v[key] = value; }).code, ErrorCode::kCorrupt)
        << key;
  };
  using Numbers = std::vector<std::int64_t>;
  using Texts = std::vector<std::string>;
  corrupts(byte_level_gguf(), "tokenizer.ggml.tokens", Texts{});
  corrupts(byte_level_gguf(), "tokenizer.ggml.tokens", Numbers{1});
  corrupts(byte_level_gguf(), "tokenizer.ggml.token_type", Numbers{1, 2});
  corrupts(byte_level_gguf(), "tokenizer.ggml.eos_token_id", std::uint64_t{264});
  corrupts(byte_level_gguf(), "tokenizer.ggml.bos_token_id", std::int64_t{-1});
  corrupts(byte_level_gguf(), "tokenizer.ggml.add_bos_token", std::string("yes"));
  for (const char* merge : {"", " ", "he", "h ", " h", "zz e", "h zz", "e h"}) {
    corrupts(byte_level_gguf(), "tokenizer.ggml.merges", Texts{merge});
  }
  corrupts(sentence_piece_gguf(), "tokenizer.ggml.scores", std::vector<double>{1.0});
  corrupts(sentence_piece_gguf(), "tokenizer.ggml.scores",
           std::vector<double>(269, std::numeric_limits<double>::quiet_NaN()));
}

// Whatever one changed value does, it ends in a tokenizer that works or in an error.
TEST(GgufVocabulary, MutationsNeverCrash) {
  std::mt19937 random(11);
  std::size_t works = 0;
  for (int round = 0; round < 300; ++round) {
    FakeGguf gguf = round % 2 == 0 ? byte_level_gguf() : sentence_piece_gguf();
    auto place = gguf.values.begin();
    std::advance(place, random() % gguf.values.size());
    if (auto* texts = std::get_if<std::vector<std::string>>(&place->second)) {
      auto& text = (*texts)[random() % texts->size()];
      if (random() % 2 == 0) text.clear();
      text.insert(0, std::string(random() % 3, static_cast<char>(random() % 256)));
      if (random() % 4 == 0) texts->resize(random() % texts->size());
    } else if (auto* numbers = std::get_if<std::vector<std::int64_t>>(&place->second)) {
      (*numbers)[random() % numbers->size()] = static_cast<std::int64_t>(random()) - 1000;
    } else if (auto* reals = std::get_if<std::vector<double>>(&place->second)) {
      (*reals)[random() % reals->size()] = static_cast<double>(random());
    } else {
      place->second = static_cast<std::uint64_t>(random() % 600);
    }
    const auto tokenizer = Tokenizer::from_gguf(gguf);
    if (!tokenizer) {
      EXPECT_FALSE(tokenizer.error().message.empty());
      continue;
    }
    ++works;
    const auto ids = (*tokenizer)->encode("hello <|im_end|> abc \xFF\u00e9<s>");
    for (const TokenId id : ids) ASSERT_TRUE(id >= 0 && id < (*tokenizer)->vocab_size());
    (*tokenizer)->decode(ids);
  }
  EXPECT_GT(works, 50U);
}

}  // namespace
}  // namespace sluice::runtime
