// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/tokenizer_data.hpp"

#include <algorithm>
#include <array>

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

}  // namespace

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
