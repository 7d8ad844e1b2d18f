// SPDX-License-Identifier: Apache-2.0
// What TokenizerData can say and GGUF cannot: spaces, normalized tokens, prefixes.
#include <gtest/gtest.h>

#include "runtime/tokenizer/byte_alphabet.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {
namespace {

using Ids = std::vector<TokenId>;
using Prepend = SpaceMarker::Prepend;

// 0 "_", 1 "a", 2 "_a", 3 "<x>" (an added token).
TokenizerData marked(Prepend prepend, bool split) {
  TokenizerData data;
  data.pieces = {"_", "a", "_a", "<x>"};
  data.merges = {{0, 1, 2, 0}};
  data.added_tokens = {{.id = 3, .content = "<x>"}};
  data.space_marker = SpaceMarker{.marker = "_", .prepend = prepend, .split = split};
  data.decode.replacements = {{"_", " "}};
  return data;
}

Ids encode(TokenizerData data, std::string_view text) {
  return make_tokenizer(std::move(data)).value()->encode(text);
}

TEST(BpeTokenizer, PrependsTheMarkerAsTold) {
  EXPECT_EQ(encode(marked(Prepend::kAlways, true), "a<x>a a"), (Ids{2, 3, 2, 2}));
  EXPECT_EQ(encode(marked(Prepend::kFirst, true), "a<x>a a"), (Ids{2, 3, 1, 2}));
  EXPECT_EQ(encode(marked(Prepend::kNever, true), "a<x>a a"), (Ids{1, 3, 1, 2}));
  EXPECT_EQ(encode(marked(Prepend::kAlways, false), " a"), Ids{2});  // it has one already
}

TEST(BpeTokenizer, PrefixSpaceBeforeEachText) {
  TokenizerData data;
  data.byte_level = true;
  data.add_prefix_space = true;
  data.pieces = {alphabet_character(' '), "a"};
  EXPECT_EQ(encode(data, "a"), (Ids{0, 1}));
  EXPECT_EQ(encode(data, " a"), (Ids{0, 1}));
}

TEST(BpeTokenizer, NormalizedTokensAreLookedForInNormalizedText) {
  TokenizerData data;
  data.pieces = {"e", "\u00e9", "<\u00e9>"};
  data.normalizer = {{.kind = NormalizeStep::Kind::kNfc}};
  data.added_tokens = {{.id = 2, .content = "<\u00e9>", .normalized = true}};
  EXPECT_EQ(encode(data, "e\u0301<e\u0301>"), (Ids{1, 2}));
  data.added_tokens[0].normalized = false;
  EXPECT_EQ(encode(data, "<e\u0301>"), Ids{1});  // "<" and ">" have no piece
}

TEST(BpeTokenizer, RefusesPatternsAndIdsThatAreWrong) {
  TokenizerData data = marked(Prepend::kNever, false);
  data.splits = {{.pattern = "("}};
  EXPECT_EQ(make_tokenizer(data).error().code, ErrorCode::kUnsupported);
  data.splits.clear();
  data.bos = 4;
  EXPECT_EQ(make_tokenizer(data).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
