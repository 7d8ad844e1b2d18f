// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/bpe_model.hpp"

#include <algorithm>

#include "runtime/tokenizer/byte_alphabet.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

constexpr std::string_view kWordMarker = "\xE2\x96\x81";  // U+2581

// The first marker after `from` that follows something else than a marker.
std::size_t next_word(std::string_view text, std::size_t from) {
  std::size_t at = from;
  while (text.substr(at).starts_with(kWordMarker)) at += kWordMarker.size();
  return text.find(kWordMarker, at);
}

std::size_t index_of(char byte) { return static_cast<unsigned char>(byte); }

}  // namespace

BpeModel::BpeModel(const TokenizerData& data) : data_(data), merges_(data.merges) {
  byte_ids_.fill(kNone);
  if (data.byte_level) {
    read_byte_pieces();
  } else {
    read_text_pieces();
  }
  can_write_replacement_ = std::all_of(kReplacement.begin(), kReplacement.end(), [&](char byte) {
    return byte_ids_[index_of(byte)] != kNone;
  });
  words_are_apart_ = !data.byte_level && !data.ignore_merges && merges_stay_in_words();
}

void BpeModel::read_byte_pieces() {
  // A byte's character takes at most two bytes.
  constexpr std::size_t kCharacterBytesMax = 2;
  for (std::size_t i = 0; i < data_.pieces.size(); ++i) {
    const std::string& piece = data_.pieces[i];
    if (piece.empty() || (piece.size() > kCharacterBytesMax && !data_.ignore_merges)) continue;
    auto bytes = bytes_from_alphabet(piece);
    if (!bytes) continue;
    const auto id = static_cast<TokenId>(i);
    if (bytes->size() == 1) byte_ids_[index_of(bytes->front())] = id;
    if (data_.ignore_merges) pieces_.insert_or_assign(std::move(*bytes), id);
  }
}

void BpeModel::read_text_pieces() {
  pieces_.reserve(data_.pieces.size());
  for (std::size_t i = 0; i < data_.pieces.size(); ++i) {
    const std::string& piece = data_.pieces[i];
    if (piece.empty()) continue;
    pieces_.insert_or_assign(piece, static_cast<TokenId>(i));
    const auto byte = byte_of_fallback_piece(piece);
    if (byte && data_.byte_fallback) byte_ids_[*byte] = static_cast<TokenId>(i);
  }
}

// In SentencePiece vocabularies the marker as a rule only leads a piece, alone or in a row.
bool BpeModel::merges_stay_in_words() const {
  if (!pieces_.contains(std::string(kWordMarker))) return false;
  return std::none_of(data_.merges.begin(), data_.merges.end(), [&](const MergeRule& rule) {
    const std::string_view piece = data_.pieces[static_cast<std::size_t>(rule.merged)];
    return next_word(piece, 0) != std::string_view::npos;
  });
}

void BpeModel::Encoder::encode(std::string_view text, std::vector<TokenId>& ids) {
  if (model_.data_.ignore_merges) {
    const auto whole = model_.pieces_.find(std::string(text));
    if (whole != model_.pieces_.end()) {
      ids.push_back(whole->second);
      return;
    }
  }
  std::size_t begin = 0;
  while (model_.words_are_apart_) {
    const std::size_t end = next_word(text, begin);
    if (end == std::string_view::npos) break;
    encode_part(text.substr(begin, end - begin), ids);
    begin = end;
  }
  encode_part(text.substr(begin), ids);
}

void BpeModel::Encoder::encode_part(std::string_view text, std::vector<TokenId>& ids) {
  symbols_.clear();
  last_is_unknown_ = false;
  if (model_.data_.byte_level) {
    push_bytes(text);
  } else {
    push_characters(text);
  }
  merger_.apply(symbols_);
  ids.insert(ids.end(), symbols_.begin(), symbols_.end());
}

void BpeModel::Encoder::push_bytes(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const TokenId id = model_.byte_ids_[index_of(text[at])];
    if (id != kNone) {
      symbols_.push_back(id);
      last_is_unknown_ = false;
    } else if (utf8_character_bytes(text, at) == 0 && model_.can_write_replacement_) {
      // A byte inside a character fails the test above too, so look for the character it is in.
      std::size_t begin = at;
      while (begin > 0 && at - begin < 3 && utf8_character_bytes(text, begin) == 0) --begin;
      if (utf8_character_bytes(text, begin) > at - begin) {
        push_unknown();
        continue;
      }
      for (const char byte : kReplacement) symbols_.push_back(model_.byte_ids_[index_of(byte)]);
      last_is_unknown_ = false;
    } else {
      push_unknown();
    }
  }
}

void BpeModel::Encoder::push_characters(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::max<std::size_t>(utf8_character_bytes(text, at), 1);
    push_character(text.substr(at, size));
    at += size;
  }
}

void BpeModel::Encoder::push_character(std::string_view character) {
  const auto piece = model_.pieces_.find(std::string(character));
  if (piece != model_.pieces_.end()) {
    symbols_.push_back(piece->second);
    last_is_unknown_ = false;
    return;
  }
  const bool has_bytes = std::all_of(character.begin(), character.end(), [&](char byte) {
    return model_.byte_ids_[index_of(byte)] != kNone;
  });
  if (!has_bytes) {
    push_unknown();
    return;
  }
  for (const char byte : character) symbols_.push_back(model_.byte_ids_[index_of(byte)]);
  last_is_unknown_ = false;
}

void BpeModel::Encoder::push_unknown() {
  const auto unknown = model_.data_.unknown;
  if (!unknown || (last_is_unknown_ && model_.data_.fuse_unknown)) return;
  symbols_.push_back(*unknown);
  last_is_unknown_ = true;
}

}  // namespace sluice::runtime
