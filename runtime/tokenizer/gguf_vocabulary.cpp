// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/gguf_vocabulary.hpp"

#include <cmath>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "runtime/tokenizer/pre_tokenizer_table.hpp"
#include "runtime/tokenizer/score_merges.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view kSpaceMarker = "\xE2\x96\x81";  // U+2581

// Values of tokenizer.ggml.token_type.
enum PieceType : std::int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

Error corrupt(std::string message) { return make_error(ErrorCode::kCorrupt, std::move(message)); }

template <class T>
Result<const std::vector<T>*> find_array(const GgufFile& gguf, const std::string& key) {
  const GgufValue* value = gguf.find(key);
  if (value == nullptr)
    return make_error(ErrorCode::kNotFound, "The GGUF file has no " + key + ".");
  const auto* array = std::get_if<std::vector<T>>(value);
  if (array == nullptr) return corrupt("The GGUF file's " + key + " is of the wrong kind.");
  return array;
}

Result<bool> flag(const GgufFile& gguf, const std::string& key, bool otherwise) {
  const GgufValue* value = gguf.find(key);
  if (value == nullptr) return otherwise;
  const auto* truth = std::get_if<bool>(value);
  if (truth == nullptr) return corrupt("The GGUF file's " + key + " is not a truth value.");
  return *truth;
}

Result<std::optional<TokenId>> token_id(const GgufFile& gguf, const std::string& key,
                                        std::size_t vocabulary) {
  if (gguf.find(key) == nullptr) return std::optional<TokenId>();
  const std::int64_t id = SLUICE_TRY(gguf.integer(key));
  if (id < 0 || id >= static_cast<std::int64_t>(vocabulary)) {
    return corrupt("The GGUF file's " + key + " is " + std::to_string(id) +
                   ", but its vocabulary has " + std::to_string(vocabulary) + " pieces.");
  }
  return std::optional<TokenId>(static_cast<TokenId>(id));
}

Result<std::string> text_or(const GgufFile& gguf, const std::string& key, std::string otherwise) {
  if (gguf.find(key) == nullptr) return otherwise;
  return gguf.text(key);
}

// "left right": the space is the last one that leaves two pieces of the vocabulary.
Status read_merges(const GgufFile& gguf, TokenizerData& data) {
  const std::string key = "tokenizer.ggml.merges";
  const auto* lines = SLUICE_TRY(find_array<std::string>(gguf, key));
  std::unordered_map<std::string_view, TokenId> ids;
  ids.reserve(data.pieces.size());
  for (std::size_t i = 0; i < data.pieces.size(); ++i) {
    ids.insert_or_assign(data.pieces[i], static_cast<TokenId>(i));
  }
  data.merges.reserve(lines->size());
  std::string merged;
  for (std::size_t i = 0; i < lines->size(); ++i) {
    const std::string_view line = (*lines)[i];
    const std::size_t space = line.find(' ', 1);
    if (space == std::string_view::npos || space + 1 >= line.size()) {
      return corrupt("The GGUF file's merge " + std::to_string(i) + " is not two pieces.");
    }
    const std::string_view left = line.substr(0, space);
    const std::string_view right = line.substr(space + 1);
    const auto left_id = ids.find(left);
    const auto right_id = ids.find(right);
    merged.assign(left).append(right);
    const auto merged_id = ids.find(merged);
    if (left_id == ids.end() || right_id == ids.end() || merged_id == ids.end()) {
      return corrupt("The GGUF file's merge " + std::to_string(i) +
                     " names a piece that its vocabulary does not have.");
    }
    data.merges.push_back(
        {left_id->second, right_id->second, merged_id->second, static_cast<std::int32_t>(i)});
  }
  return {};
}

Status read_byte_level(const GgufFile& gguf, TokenizerData& data) {
  if (gguf.find("tokenizer.ggml.pre") == nullptr) {
    return make_error(ErrorCode::kUnsupported,
                      "The GGUF file does not name its pre-tokenizer (tokenizer.ggml.pre).");
  }
  const std::string name = SLUICE_TRY(gguf.text("tokenizer.ggml.pre"));
  const PreTokenizerRow* row = find_pre_tokenizer(name);
  if (row == nullptr) {
    return make_error(ErrorCode::kUnsupported, "The pre-tokenizer \"" + name +
                                                   "\" is not known; known are " +
                                                   pre_tokenizer_names() + ".");
  }
  SLUICE_TRY(read_merges(gguf, data));
  for (const auto pattern : row->patterns) data.splits.push_back({.pattern = std::string(pattern)});
  if (row->nfc) data.normalizer.push_back({.kind = NormalizeStep::Kind::kNfc});
  data.byte_level = true;
  data.decode.byte_level = true;
  data.ignore_merges = row->ignore_merges;
  data.add_prefix_space = SLUICE_TRY(flag(gguf, "tokenizer.ggml.add_space_prefix", false));
  return {};
}

Status read_sentence_piece(const GgufFile& gguf, const std::vector<std::int64_t>& types,
                           TokenizerData& data) {
  const auto* scores = SLUICE_TRY(find_array<double>(gguf, "tokenizer.ggml.scores"));
  if (scores->size() != data.pieces.size()) {
    return corrupt("The GGUF file has " + std::to_string(data.pieces.size()) + " pieces but " +
                   std::to_string(scores->size()) + " scores.");
  }
  std::vector<bool> mergeable;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (!std::isfinite((*scores)[i])) {
      return corrupt("The GGUF file's score " + std::to_string(i) + " is not a number.");
    }
    mergeable.push_back(types[i] == kNormal || types[i] == kUserDefined || types[i] == kUnused);
    if (types[i] == kByte) data.byte_fallback = true;
  }
  data.merges = SLUICE_TRY(merges_from_scores(data.pieces, *scores, mergeable));
  const std::string marker(kSpaceMarker);
  if (SLUICE_TRY(flag(gguf, "tokenizer.ggml.add_space_prefix", true))) {
    data.normalizer.push_back({.kind = NormalizeStep::Kind::kPrepend, .content = marker});
    data.decode.strip_left = 1;
  }
  data.normalizer.push_back(
      {.kind = NormalizeStep::Kind::kReplace, .pattern = " ", .content = marker});
  data.fuse_unknown = true;
  data.decode.byte_fallback = data.byte_fallback;
  data.decode.replacements.push_back({marker, " "});
  data.unknown = SLUICE_TRY(token_id(gguf, "tokenizer.ggml.unknown_token_id", data.pieces.size()));
  return {};
}

// Converters of fine-tunes leave a ChatML end-of-turn token a user-defined or even a normal piece.
// "</s>" is also what a vocabulary may have learned from HTML, so as a normal piece it is text.
bool is_control_by_name(std::string_view piece, std::int64_t type) {
  if (!is_end_of_text_name(piece)) return false;
  return type == kUserDefined || type == kUnknown || (type == kNormal && piece != "</s>");
}

Status read_types(const GgufFile& gguf, TokenizerData& data, std::vector<std::int64_t>& types) {
  const std::string key = "tokenizer.ggml.token_type";
  const std::size_t size = data.pieces.size();
  if (gguf.find(key) == nullptr) {
    types.assign(size, kNormal);
    return {};
  }
  types = *SLUICE_TRY(find_array<std::int64_t>(gguf, key));
  if (types.size() != size) {
    return corrupt("The GGUF file has " + std::to_string(size) + " pieces but " +
                   std::to_string(types.size()) + " piece types.");
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (is_control_by_name(data.pieces[i], types[i])) types[i] = kControl;
    const bool is_special = types[i] == kControl || types[i] == kUnknown;
    // A piece without text cannot be found in a text; some files pad their vocabulary so.
    if (data.pieces[i].empty() || (!is_special && types[i] != kUserDefined)) continue;
    data.added_tokens.push_back(
        {.id = static_cast<TokenId>(i), .content = data.pieces[i], .special = is_special});
    if (types[i] == kControl && is_end_of_text_name(data.pieces[i])) {
      add_end_of_text(data, static_cast<TokenId>(i));
    }
  }
  return {};
}

// BOS and EOS: which they are, and whether a text gets them.
Status read_ends(const GgufFile& gguf, bool adds_bos, TokenizerData& data) {
  const std::size_t size = data.pieces.size();
  const std::string prefix = "tokenizer.ggml.";
  data.bos = SLUICE_TRY(token_id(gguf, prefix + "bos_token_id", size));
  const auto eos = SLUICE_TRY(token_id(gguf, prefix + "eos_token_id", size));
  for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    const auto id = SLUICE_TRY(token_id(gguf, prefix + name, size));
    if (id) add_end_of_text(data, *id);
  }
  if (SLUICE_TRY(flag(gguf, prefix + "add_bos_token", adds_bos)) && data.bos) {
    data.prefix.push_back(*data.bos);
  }
  if (SLUICE_TRY(flag(gguf, prefix + "add_eos_token", false)) && eos) data.suffix.push_back(*eos);
  return {};
}

}  // namespace

Result<TokenizerData> read_gguf_vocabulary(const GgufFile& gguf) {
  TokenizerData data;
  data.pieces = *SLUICE_TRY(find_array<std::string>(gguf, "tokenizer.ggml.tokens"));
  if (data.pieces.empty()) return corrupt("The GGUF file's vocabulary is empty.");
  std::vector<std::int64_t> types;
  SLUICE_TRY(read_types(gguf, data, types));
  const std::string kind = SLUICE_TRY(gguf.text("tokenizer.ggml.model"));
  bool adds_bos = false;
  if (kind == "gpt2") {
    SLUICE_TRY(read_byte_level(gguf, data));
    adds_bos = find_pre_tokenizer(SLUICE_TRY(gguf.text("tokenizer.ggml.pre")))->add_bos;
  } else if (kind == "llama") {
    SLUICE_TRY(read_sentence_piece(gguf, types, data));
    adds_bos = true;
  } else {
    return make_error(ErrorCode::kUnsupported, "The tokenizer kind \"" + kind +
                                                   "\" is not supported; known are gpt2 "
                                                   "(byte-level BPE) and llama (SentencePiece).");
  }
  SLUICE_TRY(read_ends(gguf, adds_bos, data));
  data.chat_template = SLUICE_TRY(text_or(gguf, "tokenizer.chat_template", ""));
  return data;
}

}  // namespace sluice::runtime
