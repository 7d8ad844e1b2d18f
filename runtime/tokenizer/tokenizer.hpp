// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back, exactly as the model's own tokenizer does it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

class GgufFile;
class ModelFile;

using TokenId = std::int32_t;

struct EncodeOptions {
  bool add_special = true;    // BOS/EOS as the tokenizer's own configuration says
  bool parse_special = true;  // text such as "<|im_end|>" becomes its control token
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // From the model's GGUF metadata, or from tokenizer.json (+ tokenizer_config.json) in its folder.
  static Result<std::unique_ptr<Tokenizer>> open(const ModelFile& model);
  static Result<std::unique_ptr<Tokenizer>> from_gguf(const GgufFile& gguf);
  static Result<std::unique_ptr<Tokenizer>> from_json(const std::filesystem::path& tokenizer_json);

  // Any bytes, invalid UTF-8 included: decode(encode(x)) == x with add_special and parse_special
  // false, as far as the vocabulary goes. Where it does not, the ids are those of the `tokenizers`
  // package all the same: a vocabulary may lack bytes, write U+2581 for a space, or normalize.
  virtual std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const = 0;

  // The bytes of the tokens; control tokens are left out unless `with_special`.
  virtual std::string decode(std::span<const TokenId> tokens, bool with_special = false) const = 0;

  // encode() gives no fewer tokens than this: a text too long for a context is known as such at
  // once. 0 where nothing can be said: the vocabulary may drop or fuse what it does not know, or
  // shorten the text by normalizing it. One pass over the bytes.
  virtual std::int64_t tokens_min(std::string_view text) const = 0;

  virtual std::int64_t vocab_size() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::span<const TokenId> end_of_text() const = 0;  // every id that ends an answer

  // The model's chat template text (Jinja), empty when it has none.
  virtual const std::string& chat_template() const = 0;
};

// Turns a stream of tokens into a stream of whole UTF-8 characters: bytes of an unfinished
// character are held back until it is complete (or the stream ends). What push() and finish() gave,
// put together, is decode() of all the tokens. Each call does a bounded amount of work.
//
// `continues`: the stream goes on from a text, to which it is appended. Then it keeps the space
// that some tokenizers drop at the start of a text.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool continues = false)
      : tokenizer_(tokenizer), continues_(continues), is_first_(!continues) {}
  std::string push(TokenId token);
  std::string finish();  // the decoder is as new afterwards

 private:
  const Tokenizer& tokenizer_;
  const bool continues_;
  std::string pending_;  // at most 3 bytes: the beginning of a character
  bool is_first_;        // nothing written yet: a leading space may be dropped
};

}  // namespace sluice::runtime
