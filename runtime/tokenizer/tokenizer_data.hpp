// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is made of, whichever file it came from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// Text that becomes one token wherever it stands, before anything else looks at it.
struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;      // a control token: matched on request, left out by decode()
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool single_word = false;  // not inside a word
  bool normalized = false;   // looked for in the normalized text
};

struct NormalizeStep {
  enum class Kind : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd, kPrepend, kReplace };
  Kind kind = Kind::kNfc;
  std::string pattern{};  // kReplace: literal text
  std::string content{};  // kPrepend, kReplace
};

// A split of the text by matches of a pattern; each piece goes on to the next step alone.
struct SplitStep {
  enum class Behavior : std::uint8_t {
    kIsolated,            // a match is a piece
    kRemoved,             // a match is dropped
    kMergedWithPrevious,  // a match ends the piece before it
    kMergedWithNext,      // a match begins the piece after it
    kContiguous,          // matches that touch are one piece
  };
  std::string pattern;  // a regular expression
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;  // what the pattern does not match counts as the match
};

// The space marker of SentencePiece vocabularies (U+2581), when the pre-tokenizer does it.
struct SpaceMarker {
  enum class Prepend : std::uint8_t { kAlways, kFirst, kNever };
  std::string marker;
  Prepend prepend = Prepend::kAlways;
  bool split = false;  // a marker begins a new piece
};

// Two adjacent tokens that become one. A lower rank goes first; equal ranks go left to right.
struct MergeRule {
  TokenId left = 0;
  TokenId right = 0;
  TokenId merged = 0;
  std::int32_t rank = 0;
};

// How the ids of an answer become bytes.
struct DecodeRules {
  struct Replacement {
    std::string pattern;
    std::string content;
  };
  bool byte_level = false;     // pieces are written in the byte alphabet
  bool byte_fallback = false;  // "<0xNN>" is one byte
  std::vector<Replacement> replacements;
  std::int64_t strip_left = 0;  // spaces dropped at the start of the whole text, at most
};

struct TokenizerData {
  std::vector<std::string> pieces;  // by id; an id without a piece is empty
  std::vector<MergeRule> merges;
  std::vector<AddedToken> added_tokens;
  std::vector<NormalizeStep> normalizer;
  std::vector<SplitStep> splits;
  std::optional<SpaceMarker> space_marker;
  bool byte_level = false;        // symbols are bytes, not characters
  bool add_prefix_space = false;  // byte level: a text that starts with no space gets one
  bool byte_fallback = false;     // a character without a piece becomes its bytes' "<0xNN>"
  bool fuse_unknown = false;      // a run of unknown characters is one unknown token
  bool ignore_merges = false;     // a pre-token that is a piece is that piece
  std::optional<TokenId> unknown;
  std::vector<TokenId> prefix;  // what add_special puts before the text
  std::vector<TokenId> suffix;  // and after it
  DecodeRules decode;
  std::optional<TokenId> bos;
  std::vector<TokenId> end_of_text;
  std::string chat_template;
};

// kCorrupt when an id of `data` is outside its vocabulary or an added token has no text.
Status check_tokenizer_data(const TokenizerData& data);

// Control tokens that end an answer in the model families we know, by their text.
bool is_end_of_text_name(std::string_view content);

// Adds `id` to `data.end_of_text` once.
void add_end_of_text(TokenizerData& data, TokenId id);

// The piece "<0xNN>" that stands for a byte: its byte, or nothing.
std::optional<std::uint8_t> byte_of_fallback_piece(std::string_view piece);

// How few tokens a text can become: each stands for at most `piece_bytes_max` of its bytes, not
// counting those that the vocabulary may drop.
struct TextBound {
  std::size_t piece_bytes_max = 0;  // 0: nothing can be said
  std::array<bool, 256> is_kept{};

  std::int64_t tokens_min(std::string_view text) const;
};
TextBound text_bound(const TokenizerData& data);

// kUnsupported when a pattern of `data` does not compile.
Result<std::unique_ptr<Tokenizer>> make_tokenizer(TokenizerData data);

}  // namespace sluice::runtime
