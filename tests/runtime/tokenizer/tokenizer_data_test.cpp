// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/tokenizer_data.hpp"

#include <gtest/gtest.h>

#include "runtime/tokenizer/byte_alphabet.hpp"

namespace sluice::runtime {
namespace {

TokenizerData three_pieces() {
  TokenizerData data;
  data.pieces = {"a", "b", "ab"};
  data.merges = {{0, 1, 2, 0}};
  return data;
}

// 0-255 the bytes in their alphabet.
TokenizerData every_byte() {
  TokenizerData data;
  data.byte_level = true;
  for (int byte = 0; byte < 256; ++byte) {
    data.pieces.push_back(alphabet_character(static_cast<std::uint8_t>(byte)));
  }
  return data;
}

TEST(TokenizerData, NoTokenStandsForMoreThanTheLongestPiece) {
  TokenizerData data = every_byte();
  EXPECT_EQ(text_bound(data).piece_bytes_max, 2U);
  data.pieces.emplace_back("abcdef");
  EXPECT_EQ(text_bound(data).piece_bytes_max, 6U);
  data.added_tokens = {{.id = 256, .content = "<|longer|>"}};
  EXPECT_EQ(text_bound(data).piece_bytes_max, 10U);
  data.normalizer = {{.kind = NormalizeStep::Kind::kReplace, .pattern = " ", .content = "\u2581"}};
  EXPECT_EQ(text_bound(data).piece_bytes_max, 10U);
  data.added_tokens[0] = {.id = 256, .content = "a b c d e", .normalized = true};
  EXPECT_EQ(text_bound(data).piece_bytes_max, 17U);
}

TEST(TokenizerData, BytesThatTheVocabularyDropsDoNotCount) {
  TokenizerData data = every_byte();
  data.pieces[4].clear();
  EXPECT_EQ(text_bound(data).tokens_min("abcde"), 3);  // pieces of at most two bytes
  EXPECT_EQ(text_bound(data).tokens_min("a\x04\x04\x04\x04"), 1);
  EXPECT_EQ(text_bound(data).tokens_min("\x04\x04\x04\x04"), 0);
  EXPECT_EQ(make_tokenizer(data).value()->encode("\x04\x04").size(), 0U);
}

TEST(TokenizerData, NoBoundWhereTextMayBeLost) {
  const auto bound = [](auto change) {
    TokenizerData data = every_byte();
    change(data);
    return text_bound(data).piece_bytes_max;
  };
  using Kind = NormalizeStep::Kind;
  EXPECT_GT(bound([](TokenizerData&) {}), 0U);
  EXPECT_EQ(0U, bound([](TokenizerData& data) { data.byte_level = false; }));
  EXPECT_EQ(0U, bound([](TokenizerData& data) { data.normalizer = {{.kind = Kind::kNfkc}}; }));
  EXPECT_EQ(0U, bound([](TokenizerData& data) {
              data.normalizer = {{.kind = Kind::kReplace, .pattern = "ab", .content = "a"}};
            }));
  EXPECT_EQ(0U, bound([](TokenizerData& data) {
              data.splits = {{.pattern = " ", .behavior = SplitStep::Behavior::kRemoved}};
            }));
  EXPECT_EQ(0U, bound([](TokenizerData& data) {
              data.added_tokens = {{.id = 0, .content = "<x>", .rstrip = true}};
            }));
}

TEST(TokenizerData, AcceptsIdsOfTheVocabulary) {
  EXPECT_TRUE(check_tokenizer_data(three_pieces()));
}

TEST(TokenizerData, RefusesIdsOutsideTheVocabulary) {
  const auto spoil = [](auto change) {
    TokenizerData data = three_pieces();
    change(data);
    const auto status = check_tokenizer_data(data);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  };
  spoil([](TokenizerData& data) { data.pieces.clear(); });
  spoil([](TokenizerData& data) { data.merges[0].merged = 3; });
  spoil([](TokenizerData& data) { data.merges[0].left = -1; });
  spoil([](TokenizerData& data) { data.added_tokens = {{.id = 9, .content = "x"}}; });
  spoil([](TokenizerData& data) { data.added_tokens = {{.id = 0, .content = ""}}; });
  spoil([](TokenizerData& data) { data.unknown = 3; });
  spoil([](TokenizerData& data) { data.bos = -2; });
  spoil([](TokenizerData& data) { data.prefix = {3}; });
  spoil([](TokenizerData& data) { data.suffix = {3}; });
  spoil([](TokenizerData& data) { data.end_of_text = {3}; });
}

TEST(TokenizerData, KnowsFallbackPieces) {
  EXPECT_EQ(byte_of_fallback_piece("<0x0A>"), 10);
  EXPECT_EQ(byte_of_fallback_piece("<0xff>"), 255);
  for (const char* piece : {"", "<0xA>", "<0xGG>", "<0x0A]", "x0x0A>"}) {
    EXPECT_EQ(byte_of_fallback_piece(piece), std::nullopt) << piece;
  }
}

TEST(TokenizerData, CollectsEachEndOnce) {
  TokenizerData data = three_pieces();
  add_end_of_text(data, 2);
  add_end_of_text(data, 1);
  add_end_of_text(data, 2);
  EXPECT_EQ(data.end_of_text, (std::vector<TokenId>{2, 1}));
  EXPECT_TRUE(is_end_of_text_name("<|im_end|>"));
  EXPECT_FALSE(is_end_of_text_name("<|im_start|>"));
}

}  // namespace
}  // namespace sluice::runtime
