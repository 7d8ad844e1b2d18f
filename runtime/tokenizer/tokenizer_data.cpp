// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/tokenizer_data.hpp"

#include <algorithm>
#include <array>

#include "runtime/tokenizer/byte_alphabet.hpp"
#include "runtime/tokenizer/normalizer.hpp"

namespace sluice::runtime {
namespace {

constexpr std::array<std::string_view, 10> kEndOfTextNames = {
    "<|im_end|>",      "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>",
    "<|end_of_turn|>", "<end_of_turn>", "<|end|>",    "</s>",       "<|eot|>"};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// A step that never makes a text shorter.
bool is_lengthening(const NormalizeStep& step) {
  return step.kind == NormalizeStep::Kind::kPrepend ||
         (step.kind == NormalizeStep::Kind::kReplace && step.content.size() >= step.pattern.size());
}

bool is_removing(const SplitStep& step) { return step.behavior == SplitStep::Behavior::kRemoved; }

bool takes_space(const AddedToken& token) { return token.lstrip || token.rstrip; }

// The byte that a piece stands for when nothing better does.
std::optional<std::uint8_t> byte_of_piece(const TokenizerData& data, const std::string& piece) {
  if (!data.byte_level) return data.byte_fallback ? byte_of_fallback_piece(piece) : std::nullopt;
  const auto bytes = bytes_from_alphabet(piece);
  if (!bytes || bytes->size() != 1) return std::nullopt;
  return static_cast<std::uint8_t>(bytes->front());
}

}  // namespace

// The text is never shortened before it is cut into pieces: then the pieces, put together, are at
// least as long as its bytes that have a piece. They are measured as they are written in the
// vocabulary, where a space is no shorter than in the text. A missing byte is harmless only where
// bytes are the symbols and the text is as it came.
TextBound text_bound(const TokenizerData& data) {
  const bool keeps_text =
      std::all_of(data.normalizer.begin(), data.normalizer.end(), is_lengthening) &&
      std::none_of(data.splits.begin(), data.splits.end(), is_removing) &&
      std::none_of(data.added_tokens.begin(), data.added_tokens.end(), takes_space);
  if (!keeps_text) return {};
  TextBound bound;
  for (const auto& piece : data.pieces) {
    if (const auto byte = byte_of_piece(data, piece)) bound.is_kept[*byte] = true;
    bound.piece_bytes_max = std::max(bound.piece_bytes_max, piece.size());
  }
  for (const auto& token : data.added_tokens) {
    const std::size_t normalized =
        token.normalized ? normalize(data.normalizer, token.content).size() : 0;
    bound.piece_bytes_max = std::max({bound.piece_bytes_max, token.content.size(), normalized});
  }
  const bool is_plain = data.byte_level && data.normalizer.empty() && !data.space_marker;
  const auto end = bound.is_kept.end();
  if (!is_plain && std::find(bound.is_kept.begin(), end, false) != end) return {};
  return bound;
}

std::int64_t TextBound::tokens_min(std::string_view text) const {
  if (piece_bytes_max == 0) return 0;
  const auto kept =
      static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [&](char byte) {
        return is_kept[static_cast<std::uint8_t>(byte)];
      }));
  return static_cast<std::int64_t>(kept / piece_bytes_max + (kept % piece_bytes_max != 0 ? 1 : 0));
}

Status check_tokenizer_data(const TokenizerData& data) {
  const auto size = static_cast<std::int64_t>(data.pieces.size());
  if (size == 0) return make_error(ErrorCode::kCorrupt, "The tokenizer's vocabulary is empty.");
  const auto check = [&](std::int64_t id, const char* what) -> Status {
    if (id >= 0 && id < size) return {};
    return make_error(ErrorCode::kCorrupt, "The tokenizer's " + std::string(what) + " has the id " +
                                               std::to_string(id) + ", but its vocabulary has " +
                                               std::to_string(size) + " pieces.");
  };
  for (const auto& rule : data.merges) {
    SLUICE_TRY(check(rule.left, "merge"));
    SLUICE_TRY(check(rule.right, "merge"));
    SLUICE_TRY(check(rule.merged, "merge"));
  }
  for (const auto& token : data.added_tokens) {
    SLUICE_TRY(check(token.id, "added token"));
    if (token.content.empty()) {
      return make_error(ErrorCode::kCorrupt, "The tokenizer's added token " +
                                                 std::to_string(token.id) + " has no text.");
    }
  }
  if (data.unknown) SLUICE_TRY(check(*data.unknown, "unknown token"));
  if (data.bos) SLUICE_TRY(check(*data.bos, "beginning-of-text token"));
  for (const TokenId id : data.prefix) SLUICE_TRY(check(id, "beginning-of-text token"));
  for (const TokenId id : data.suffix) SLUICE_TRY(check(id, "end-of-text token"));
  for (const TokenId id : data.end_of_text) SLUICE_TRY(check(id, "end-of-text token"));
  return {};
}

bool is_end_of_text_name(std::string_view content) {
  return std::find(kEndOfTextNames.begin(), kEndOfTextNames.end(), content) !=
         kEndOfTextNames.end();
}

void add_end_of_text(TokenizerData& data, TokenId id) {
  auto& ids = data.end_of_text;
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

std::optional<std::uint8_t> byte_of_fallback_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  const int high = hex_digit(piece[3]);
  const int low = hex_digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<std::uint8_t>(high * 16 + low);
}

}  // namespace sluice::runtime
