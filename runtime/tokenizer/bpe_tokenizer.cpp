// SPDX-License-Identifier: Apache-2.0
// The Tokenizer of every BPE vocabulary: added tokens, normalizer, pre-tokenizer, model, decoder.
#include <algorithm>
#include <memory>
#include <utility>

#include "runtime/tokenizer/added_token_matcher.hpp"
#include "runtime/tokenizer/bpe_model.hpp"
#include "runtime/tokenizer/byte_alphabet.hpp"
#include "runtime/tokenizer/normalizer.hpp"
#include "runtime/tokenizer/splitter.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

// The added tokens as they are looked for: those of the normalized text are normalized too.
std::vector<AddedToken> select_tokens(const TokenizerData& data, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const auto& token : data.added_tokens) {
    if (token.normalized != normalized) continue;
    tokens.push_back(token);
    if (normalized) tokens.back().content = normalize(data.normalizer, token.content);
  }
  return tokens;
}

std::string decoded_piece(const DecodeRules& rules, const std::string& piece) {
  if (rules.byte_level) {
    auto bytes = bytes_from_alphabet(piece);
    return bytes ? std::move(*bytes) : piece;
  }
  if (rules.byte_fallback) {
    if (const auto byte = byte_of_fallback_piece(piece)) {
      return std::string(1, static_cast<char>(*byte));
    }
  }
  std::string text = piece;
  for (const auto& [pattern, content] : rules.replacements) {
    text = replace_all(text, pattern, content);
  }
  return text;
}

class BpeTokenizer final : public Tokenizer {
 public:
  BpeTokenizer(std::unique_ptr<const TokenizerData> data, Splitter splitter)
      : data_(std::move(data)),
        splitter_(std::move(splitter)),
        raw_tokens_(select_tokens(*data_, false)),
        normalized_tokens_(select_tokens(*data_, true)),
        model_(*data_),
        bound_(text_bound(*data_)),
        is_special_(data_->pieces.size(), false) {
    for (const auto& piece : data_->pieces) decoded_.push_back(decoded_piece(data_->decode, piece));
    for (const auto& token : data_->added_tokens) {
      const auto id = static_cast<std::size_t>(token.id);
      is_special_[id] = token.special;
      // Added tokens are written as they are, whatever alphabet the pieces use.
      if (data_->byte_level) decoded_[id] = token.content;
    }
  }

  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const override;
  std::string decode(std::span<const TokenId> tokens, bool with_special) const override;
  std::int64_t tokens_min(std::string_view text) const override { return bound_.tokens_min(text); }
  std::int64_t vocab_size() const override {
    return static_cast<std::int64_t>(data_->pieces.size());
  }
  std::optional<TokenId> bos() const override { return data_->bos; }
  std::span<const TokenId> end_of_text() const override { return data_->end_of_text; }
  const std::string& chat_template() const override { return data_->chat_template; }

 private:
  friend class Encoding;

  std::unique_ptr<const TokenizerData> data_;  // on the heap: parts below point into it
  Splitter splitter_;
  AddedTokenMatcher raw_tokens_;
  AddedTokenMatcher normalized_tokens_;
  BpeModel model_;
  const TextBound bound_;
  std::vector<bool> is_special_;
  std::vector<std::string> decoded_;  // by id
};

// One call of encode().
class Encoding {
 public:
  Encoding(const BpeTokenizer& tokenizer, bool parse_special)
      : tokenizer_(tokenizer),
        data_(*tokenizer.data_),
        encoder_(tokenizer.model_),
        scan_(tokenizer.splitter_),
        parse_special_(parse_special) {}

  void add(std::string_view text, std::vector<TokenId>& ids) {
    ids_ = &ids;
    each_segment(tokenizer_.raw_tokens_, text, [&](std::string_view segment) {
      const bool first = segment.data() == text.data();
      if (data_.normalizer.empty()) {
        add_normalized(segment, first);
      } else {
        add_normalized(normalize(data_.normalizer, segment), first);
      }
    });
  }

 private:
  // Calls `on_text` for what lies between added tokens, and appends the tokens' ids.
  template <class OnText>
  void each_segment(const AddedTokenMatcher& matcher, std::string_view text, OnText on_text) {
    std::size_t at = 0;
    while (const auto match = matcher.next(text, at, parse_special_)) {
      if (match->begin > at) on_text(text.substr(at, match->begin - at));
      ids_->push_back(match->token->id);
      at = match->end;
    }
    if (at < text.size()) on_text(text.substr(at));
  }

  void add_normalized(std::string_view text, bool first) {
    each_segment(tokenizer_.normalized_tokens_, text, [&](std::string_view segment) {
      add_text(segment, first && segment.data() == text.data());
    });
  }

  void add_text(std::string_view text, bool first) {
    if (data_.space_marker) {
      add_marked(text, first);
    } else if (data_.add_prefix_space && !text.starts_with(' ')) {
      std::string spaced(1, ' ');
      spaced += text;
      add_runs(spaced);
    } else {
      add_runs(text);
    }
  }

  // The Metaspace pre-tokenizer.
  void add_marked(std::string_view text, bool first) {
    const SpaceMarker& space = *data_.space_marker;
    std::string marked = replace_all(text, " ", space.marker);
    const bool prepends = space.prepend == SpaceMarker::Prepend::kAlways ||
                          (space.prepend == SpaceMarker::Prepend::kFirst && first);
    if (prepends && !marked.starts_with(space.marker)) marked.insert(0, space.marker);
    const std::string_view rest = marked;
    std::size_t begin = 0;
    while (space.split) {
      const std::size_t next = rest.find(space.marker, begin + 1);
      if (next == std::string_view::npos) break;
      encoder_.encode(rest.substr(begin, next - begin), *ids_);
      begin = next;
    }
    encoder_.encode(rest.substr(begin), *ids_);
  }

  // Patterns see well-formed text only; a run of other bytes is a pre-token of its own.
  void add_runs(std::string_view text) {
    if (data_.splits.empty()) {
      encoder_.encode(text, *ids_);
      return;
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t valid = utf8_valid_run_bytes(text, at);
      if (valid != 0) {
        for (const auto piece : scan_.split(text.substr(at, valid))) encoder_.encode(piece, *ids_);
      }
      at += valid;
      const std::size_t invalid = utf8_invalid_run_bytes(text, at);
      if (invalid != 0) encoder_.encode(text.substr(at, invalid), *ids_);
      at += invalid;
    }
  }

  const BpeTokenizer& tokenizer_;
  const TokenizerData& data_;
  BpeModel::Encoder encoder_;
  Splitter::Scan scan_;
  bool parse_special_;
  std::vector<TokenId>* ids_ = nullptr;
};

std::vector<TokenId> BpeTokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> ids;
  if (options.add_special) ids = data_->prefix;
  Encoding(*this, options.parse_special).add(text, ids);
  if (options.add_special) ids.insert(ids.end(), data_->suffix.begin(), data_->suffix.end());
  return ids;
}

std::string BpeTokenizer::decode(std::span<const TokenId> tokens, bool with_special) const {
  std::string text;
  for (const TokenId token : tokens) {
    // Ids outside the vocabulary (a model's padded embedding rows) write nothing.
    if (token < 0 || token >= vocab_size()) continue;
    const auto id = static_cast<std::size_t>(token);
    if (with_special || !is_special_[id]) text += decoded_[id];
  }
  std::size_t spaces = 0;
  const auto spaces_max = static_cast<std::size_t>(data_->decode.strip_left);
  while (spaces < spaces_max && spaces < text.size() && text[spaces] == ' ') ++spaces;
  return spaces == 0 ? text : text.substr(spaces);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_tokenizer(TokenizerData data) {
  SLUICE_TRY(check_tokenizer_data(data));
  Splitter splitter = SLUICE_TRY(Splitter::make(data.splits));
  return std::unique_ptr<Tokenizer>(std::make_unique<BpeTokenizer>(
      std::make_unique<const TokenizerData>(std::move(data)), std::move(splitter)));
}

}  // namespace sluice::runtime
