// SPDX-License-Identifier: Apache-2.0
// The parts together, from each kind of file; ids come from the parity test.
#include "runtime/tokenizer/tokenizer.hpp"

#include <gtest/gtest.h>

#include <random>

#include "runtime/model/gguf_file.hpp"
#include "tests/runtime/tokenizer/fake_gguf.hpp"
#include "tests/runtime/tokenizer/json_fixture.hpp"

namespace sluice::runtime {
namespace {

using Ids = std::vector<TokenId>;
constexpr EncodeOptions kPlain = {.add_special = false, .parse_special = false};

std::unique_ptr<Tokenizer> byte_level() { return Tokenizer::from_gguf(byte_level_gguf()).value(); }
std::unique_ptr<Tokenizer> sentence_piece() {
  return Tokenizer::from_gguf(sentence_piece_gguf()).value();
}

std::string random_bytes(std::mt19937& random) {
  constexpr const char* kParts[] = {"hello",  " ",   "<|im_end|>", "\u00e9",
                                    "\u4F60", "abc", "\xFF",       "\xE4\xBD"};
  std::string text;
  for (std::size_t parts = random() % 12; parts > 0; --parts) {
    if (random() % 2 == 0) {
      text += kParts[random() % std::size(kParts)];
    } else {
      text += static_cast<char>(random() % 256);
    }
  }
  return text;
}

TEST(Tokenizer, NoTextBecomesFewerTokensThanTheBound) {
  std::mt19937 random(11);
  for (const auto& tokenizer : {byte_level(), sentence_piece()}) {
    EXPECT_GT(tokenizer->tokens_min(std::string(200, 'a')), 10);
    for (int round = 0; round < 500; ++round) {
      const std::string text = random_bytes(random);
      for (const auto& options : {kPlain, EncodeOptions{.add_special = false}}) {
        const auto tokens = static_cast<std::int64_t>(tokenizer->encode(text, options).size());
        ASSERT_LE(tokenizer->tokens_min(text), tokens);
      }
    }
  }
}

TEST(Tokenizer, EncodesByteLevel) {
  const auto tokenizer = byte_level();
  EXPECT_EQ(tokenizer->encode("hello hello"), (Ids{259, 260}));
  EXPECT_EQ(tokenizer->encode("hello1"), (Ids{259, '1'}));
  EXPECT_EQ(tokenizer->encode("<|im_end|><tool>"), (Ids{261, 263}));
  EXPECT_EQ(tokenizer->encode("<|im_end|>x"), Ids{262});
  EXPECT_EQ(tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->vocab_size(), 264);
}

TEST(Tokenizer, SpecialTextStaysTextUnlessParsed) {
  const auto tokenizer = byte_level();
  EXPECT_EQ(tokenizer->encode("<|im_end|>", kPlain).size(), 10U);
  EXPECT_EQ(tokenizer->encode("<tool>", kPlain), Ids{263});  // the user's own, not a control token
}

TEST(Tokenizer, EncodesSentencePiece) {
  const auto tokenizer = sentence_piece();
  EXPECT_EQ(tokenizer->encode("abc ab"), (Ids{1, 264, 261, 262}));
  EXPECT_EQ(tokenizer->encode("\u00e9\u4F60", kPlain),
            (Ids{264, 268, 3 + 0xE4, 3 + 0xBD, 3 + 0xA0}));
  EXPECT_EQ(tokenizer->encode("", {}), Ids{1});
}

TEST(Tokenizer, DecodeLeavesControlTokensOutUnlessAsked) {
  const auto tokenizer = byte_level();
  const Ids ids = {259, 261, 260};
  EXPECT_EQ(tokenizer->decode(ids), "hello hello");
  EXPECT_EQ(tokenizer->decode(ids, true), "hello<|im_end|> hello");
  EXPECT_EQ(tokenizer->decode(Ids{-1, 264, 1 << 30}), "");
}

TEST(Tokenizer, DecodeDropsTheLeadingSpaceOnly) {
  const auto tokenizer = sentence_piece();
  EXPECT_EQ(tokenizer->decode(Ids{1, 262, 262}), "ab ab");
  EXPECT_EQ(tokenizer->decode(Ids{264, 264}), " ");
}

TEST(Tokenizer, DecodeOfEncodeIsTheText) {
  std::mt19937 random(3);
  for (const auto& tokenizer : {byte_level(), sentence_piece()}) {
    for (int round = 0; round < 3000; ++round) {
      const std::string text = random_bytes(random);
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, kPlain), true), text);
    }
  }
}

TEST(Tokenizer, ReadsAFolder) {
  const TokenizerFolder folder;
  folder.write("tokenizer.json", byte_level_json().dump());
  folder.write("tokenizer_config.json", R"({"bos_token": "<bos>", "eos_token": "<|eot_id|>"})");
  const auto tokenizer = Tokenizer::from_json(folder.path() / "tokenizer.json").value();
  EXPECT_EQ(tokenizer->encode("hey <|eot_id|>"), (Ids{259, 257, ' ', 258}));
  EXPECT_EQ(tokenizer->bos(), 259);
  EXPECT_EQ(Ids(tokenizer->end_of_text().begin(), tokenizer->end_of_text().end()), Ids{258});
  EXPECT_EQ(Tokenizer::from_json(folder.path() / "none.json").error().code, ErrorCode::kNotFound);
}

TEST(Tokenizer, ReadsTheDefaultModel) {
  if (std::string_view(SLUICE_DEFAULT_MODEL).empty()) GTEST_SKIP() << "no default model";
  const auto gguf = GgufFile::open(SLUICE_DEFAULT_MODEL);
  ASSERT_TRUE(gguf) << gguf.error().message;
  const auto tokenizer = Tokenizer::from_gguf(**gguf).value();
  EXPECT_EQ(tokenizer->vocab_size(), 49152);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(Ids(tokenizer->end_of_text().begin(), tokenizer->end_of_text().end()), (Ids{0, 2}));
  const Ids ids = tokenizer->encode("<|im_start|>user\nHi<|im_end|>\n");
  EXPECT_EQ(ids, (Ids{1, 4093, 198, 26843, 2, 198}));
  // Every byte that this vocabulary has a piece for comes back.
  std::mt19937 random(9);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (const char c : random_bytes(random)) {
      const std::string byte(1, c);
      if (tokenizer->decode(tokenizer->encode(byte, kPlain), true) == byte) text += c;
    }
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, kPlain), true), text);
  }
}

}  // namespace
}  // namespace sluice::runtime
