// SPDX-License-Identifier: Apache-2.0
// A GgufFile of metadata alone, and small vocabularies to put in it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/model/gguf_file.hpp"
#include "runtime/tokenizer/byte_alphabet.hpp"

namespace sluice::runtime {

class FakeGguf final : public GgufFile {
 public:
  std::map<std::string, GgufValue, std::less<>> values;

  const GgufValue* find(std::string_view key) const override {
    const auto place = values.find(key);
    return place == values.end() ? nullptr : &place->second;
  }
  Result<std::int64_t> integer(std::string_view key) const override {
    const auto* value = find(key);
    if (value == nullptr) return make_error(ErrorCode::kNotFound, std::string(key));
    if (const auto* number = std::get_if<std::uint64_t>(value)) {
      return static_cast<std::int64_t>(*number);
    }
    if (const auto* number = std::get_if<std::int64_t>(value)) return *number;
    return make_error(ErrorCode::kCorrupt, std::string(key));
  }
  Result<double> number(std::string_view key) const override {
    return make_error(ErrorCode::kNotFound, std::string(key));
  }
  Result<std::string> text(std::string_view key) const override {
    const auto* value = find(key);
    if (value == nullptr) return make_error(ErrorCode::kNotFound, std::string(key));
    if (const auto* string = std::get_if<std::string>(value)) return *string;
    return make_error(ErrorCode::kCorrupt, std::string(key));
  }
  std::optional<TensorView> tensor(std::string_view) const override { return std::nullopt; }
  std::optional<std::string> unread_type(std::string_view) const override { return std::nullopt; }
  std::vector<std::string> tensor_names() const override { return {}; }
};

// Ids 0-255: the bytes; 256 "he", 257 "ll", 258 "hell", 259 "hello", 260 " hello"; then the control
// tokens 261 "<|im_end|>" and 262 "<|im_end|>x", and the user's own 263 "<tool>".
inline FakeGguf byte_level_gguf() {
  std::vector<std::string> pieces;
  std::vector<std::int64_t> types(261, 1);
  for (int byte = 0; byte < 256; ++byte) {
    pieces.push_back(alphabet_character(static_cast<std::uint8_t>(byte)));
  }
  for (const char* piece :
       {"he", "ll", "hell", "hello", "\u0120hello", "<|im_end|>", "<|im_end|>x", "<tool>"}) {
    pieces.emplace_back(piece);
  }
  types.insert(types.end(), {3, 3, 4});
  FakeGguf gguf;
  gguf.values["tokenizer.ggml.model"] = std::string("gpt2");
  gguf.values["tokenizer.ggml.pre"] = std::string("smollm");
  gguf.values["tokenizer.ggml.tokens"] = pieces;
  gguf.values["tokenizer.ggml.token_type"] = types;
  gguf.values["tokenizer.ggml.merges"] =
      std::vector<std::string>{"h e", "l l", "he ll", "hell o", "\u0120 hello"};
  gguf.values["tokenizer.ggml.bos_token_id"] = std::uint64_t{262};
  gguf.values["tokenizer.ggml.eos_token_id"] = std::uint64_t{261};
  gguf.values["tokenizer.chat_template"] = std::string("template");
  return gguf;
}

// 0 "<unk>", 1 "<s>", 2 "</s>", 3-258 "<0x00>".., then pieces with the space marker.
inline FakeGguf sentence_piece_gguf() {
  std::vector<std::string> pieces = {"<unk>", "<s>", "</s>"};
  std::vector<std::int64_t> types = {2, 3, 3};
  std::vector<double> scores = {0, 0, 0};
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    pieces.push_back(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">");
    types.push_back(6);
    scores.push_back(0);
  }
  double score = -1;
  for (const char* piece :
       {"ab", "\u2581a", "abc", "\u2581ab", "bc", "\u2581", "a", "b", "c", "\u00e9"}) {
    pieces.emplace_back(piece);
    types.push_back(1);
    scores.push_back(score--);
  }
  FakeGguf gguf;
  gguf.values["tokenizer.ggml.model"] = std::string("llama");
  gguf.values["tokenizer.ggml.tokens"] = pieces;
  gguf.values["tokenizer.ggml.token_type"] = types;
  gguf.values["tokenizer.ggml.scores"] = scores;
  gguf.values["tokenizer.ggml.bos_token_id"] = std::uint64_t{1};
  gguf.values["tokenizer.ggml.eos_token_id"] = std::uint64_t{2};
  gguf.values["tokenizer.ggml.unknown_token_id"] = std::uint64_t{0};
  return gguf;
}

}  // namespace sluice::runtime
