// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/bpe_model.hpp"

#include <gtest/gtest.h>

#include "runtime/tokenizer/byte_alphabet.hpp"

namespace sluice::runtime {
namespace {

using Ids = std::vector<TokenId>;

Ids encode(const TokenizerData& data, std::string_view text) {
  const BpeModel model(data);
  BpeModel::Encoder encoder(model);
  Ids ids;
  encoder.encode(text, ids);
  return ids;
}

// 0 "a", 1 "b", 2 "ab", 3 "bab" (which no merge makes).
TokenizerData byte_level_data() {
  TokenizerData data;
  data.byte_level = true;
  data.pieces = {"a", "b", "ab", "bab"};
  data.merges = {{0, 1, 2, 0}};
  return data;
}

TEST(BpeModel, MergesBytes) {
  EXPECT_EQ(encode(byte_level_data(), "abba"), (Ids{2, 1, 0}));
  EXPECT_EQ(encode(byte_level_data(), ""), Ids{});
}

TEST(BpeModel, AWholePieceCountsWhenMergesAreIgnored) {
  TokenizerData data = byte_level_data();
  EXPECT_EQ(encode(data, "bab"), (Ids{1, 2}));
  data.ignore_merges = true;
  EXPECT_EQ(encode(data, "bab"), Ids{3});
}

TEST(BpeModel, DropsBytesThatHaveNoPiece) {
  EXPECT_EQ(encode(byte_level_data(), "axb"), Ids{2});
  TokenizerData data = byte_level_data();
  data.unknown = 3;
  EXPECT_EQ(encode(data, "axxb"), (Ids{0, 3, 3, 1}));
  data.fuse_unknown = true;
  EXPECT_EQ(encode(data, "axxb"), (Ids{0, 3, 1}));
}

TEST(BpeModel, WritesReplacementsForInvalidBytesWithoutPiece) {
  TokenizerData data = byte_level_data();
  for (const int byte : {0xEF, 0xBF, 0xBD}) {  // ids 4, 5, 6
    data.pieces.push_back(alphabet_character(static_cast<std::uint8_t>(byte)));
  }
  EXPECT_EQ(encode(data, "a\xFF"), (Ids{0, 4, 5, 6}));
  EXPECT_EQ(encode(data, "a\xC3\xA9"), Ids{0});  // a whole character: dropped, as elsewhere
}

TEST(BpeModel, CharactersFallBackToBytes) {
  TokenizerData data;
  data.pieces = {"<unk>", "<0xC3>", "<0xA9>", "<0xFF>", "e", "\u00e8"};
  data.unknown = 0;
  EXPECT_EQ(encode(data, "e\u00e8\u00e9"), (Ids{4, 5, 0}));
  data.byte_fallback = true;
  EXPECT_EQ(encode(data, "e\u00e8\u00e9\xFF"), (Ids{4, 5, 1, 2, 3}));
  EXPECT_EQ(encode(data, "\u4F60"), Ids{0});  // not all of its bytes have pieces
}

// Whether words are merged one by one or all at once must not show.
TEST(BpeModel, AMergeMayReachOverAWordsBeginning) {
  TokenizerData data;
  data.pieces = {"\u2581", "a", "\u2581a", "a\u2581", "\u2581\u2581"};
  data.merges = {{0, 0, 4, 0}, {0, 1, 2, 1}};
  EXPECT_EQ(encode(data, "a\u2581a\u2581\u2581\u2581a"), (Ids{1, 2, 4, 2}));
  data.merges.push_back({1, 0, 3, -1});
  EXPECT_EQ(encode(data, "a\u2581a\u2581\u2581\u2581a"), (Ids{3, 3, 4, 1}));
}

}  // namespace
}  // namespace sluice::runtime
