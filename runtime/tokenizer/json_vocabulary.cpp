// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/json_vocabulary.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>

#include "runtime/model/json_nesting.hpp"
#include "runtime/tokenizer/json_pipeline.hpp"

namespace sluice::runtime {
namespace {

using Json = nlohmann::json;
using PieceIds = std::unordered_map<std::string, TokenId>;

// Bounds what a file with one large id can make us allocate; real vocabularies have up to 262,144.
constexpr std::int64_t kVocabularyMax = 1 << 21;

Error corrupt(std::string message) { return make_error(ErrorCode::kCorrupt, std::move(message)); }

Status put_piece(TokenizerData& data, const std::string& piece, std::int64_t id) {
  if (id < 0 || id >= kVocabularyMax) {
    return corrupt("The tokenizer.json gives a piece the id " + std::to_string(id) + ".");
  }
  const auto index = static_cast<std::size_t>(id);
  if (index >= data.pieces.size()) data.pieces.resize(index + 1);
  if (!data.pieces[index].empty() && data.pieces[index] != piece) {
    return corrupt("The tokenizer.json gives two pieces the id " + std::to_string(id) + ".");
  }
  data.pieces[index] = piece;
  return {};
}

Result<PieceIds> read_pieces(const Json& vocab, TokenizerData& data) {
  PieceIds ids;
  if (!vocab.is_object()) return corrupt("The tokenizer.json's vocabulary is not an object.");
  data.pieces.reserve(vocab.size());
  for (const auto& [piece, id] : vocab.items()) {
    if (!id.is_number_integer()) return corrupt("The tokenizer.json has an id that is no integer.");
    SLUICE_TRY(put_piece(data, piece, id.get<std::int64_t>()));
    ids.emplace(piece, id.get<TokenId>());
  }
  return ids;
}

// A merge is "left right" in older files and ["left", "right"] in newer ones.
Result<std::pair<std::string, std::string>> merge_sides(const Json& merge) {
  if (merge.is_array() && merge.size() == 2) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  const auto line = merge.get<std::string>();
  const std::size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
    return corrupt("The tokenizer.json's merge \"" + line + "\" is not two pieces.");
  }
  return std::pair(line.substr(0, space), line.substr(space + 1));
}

Status read_merges(const Json& merges, const PieceIds& ids, TokenizerData& data) {
  if (!merges.is_array()) return corrupt("The tokenizer.json's merges are not a list.");
  data.merges.reserve(merges.size());
  for (const Json& merge : merges) {
    const auto [left, right] = SLUICE_TRY(merge_sides(merge));
    const auto left_id = ids.find(left);
    const auto right_id = ids.find(right);
    const auto merged_id = ids.find(left + right);
    if (left_id == ids.end() || right_id == ids.end() || merged_id == ids.end()) {
      return corrupt("The tokenizer.json's merge of \"" + left + "\" and \"" + right +
                     "\" names a piece that its vocabulary does not have.");
    }
    const auto rank = static_cast<std::int32_t>(data.merges.size());
    data.merges.push_back({left_id->second, right_id->second, merged_id->second, rank});
  }
  return {};
}

bool has_text(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() && !value->get<std::string>().empty();
}

// A switch that is missing or null is off.
bool is_on(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && !value->is_null() && value->get<bool>();
}

Status read_model(const Json& model, TokenizerData& data) {
  const bool looks_like_bpe = model.contains("merges");
  const std::string type = model.value("type", looks_like_bpe ? "BPE" : "");
  if (type != "BPE") {
    return make_error(ErrorCode::kUnsupported,
                      "The tokenizer.json's model \"" + type + "\" is not supported; BPE is.");
  }
  if (has_text(model, "continuing_subword_prefix") || has_text(model, "end_of_word_suffix")) {
    return make_error(ErrorCode::kUnsupported,
                      "The tokenizer.json marks parts of words, which is not supported.");
  }
  const PieceIds ids = SLUICE_TRY(read_pieces(model.at("vocab"), data));
  SLUICE_TRY(read_merges(model.at("merges"), ids, data));
  data.byte_fallback = is_on(model, "byte_fallback");
  data.fuse_unknown = is_on(model, "fuse_unk");
  data.ignore_merges = is_on(model, "ignore_merges");
  if (has_text(model, "unk_token")) {
    const auto unknown = ids.find(model.at("unk_token").get<std::string>());
    if (unknown == ids.end()) return corrupt("The tokenizer.json's unknown token is no piece.");
    data.unknown = unknown->second;
  }
  return {};
}

Status read_added_tokens(const Json& tokens, TokenizerData& data) {
  for (const Json& token : tokens) {
    AddedToken added;
    const auto id = token.at("id").get<std::int64_t>();
    added.content = token.at("content").get<std::string>();
    // An empty one is never found, here or there.
    if (added.content.empty()) continue;
    SLUICE_TRY(put_piece(data, added.content, id));
    added.id = static_cast<TokenId>(id);
    added.special = is_on(token, "special");
    added.lstrip = is_on(token, "lstrip");
    added.rstrip = is_on(token, "rstrip");
    added.single_word = is_on(token, "single_word");
    added.normalized = is_on(token, "normalized");
    if (added.special && is_end_of_text_name(added.content)) add_end_of_text(data, added.id);
    data.added_tokens.push_back(std::move(added));
  }
  return {};
}

std::string part_text(const Json& root, const char* key) {
  const auto part = root.find(key);
  return part == root.end() ? "null" : part->dump();
}

}  // namespace

Result<TokenizerData> read_json_vocabulary(std::string_view tokenizer_json) {
  if (json_is_deeper(tokenizer_json)) return corrupt("The tokenizer.json nests too deeply.");
  try {
    const Json root = Json::parse(tokenizer_json);
    if (!root.is_object()) return corrupt("The tokenizer.json is not an object.");
    TokenizerData data;
    SLUICE_TRY(read_model(root.at("model"), data));
    if (root.contains("added_tokens")) SLUICE_TRY(read_added_tokens(root.at("added_tokens"), data));
    SLUICE_TRY(read_json_pipeline({.normalizer = part_text(root, "normalizer"),
                                   .pre_tokenizer = part_text(root, "pre_tokenizer"),
                                   .post_processor = part_text(root, "post_processor"),
                                   .decoder = part_text(root, "decoder")},
                                  data));
    return data;
  } catch (const Json::exception& error) {
    return corrupt(std::string("The tokenizer.json is not a tokenizer: ") + error.what() + ".");
  }
}

}  // namespace sluice::runtime
