// SPDX-License-Identifier: Apache-2.0
// Turns one pre-token into ids: bytes or characters first, then merges.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/tokenizer/merge_table.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

class BpeModel {
 public:
  // `data` outlives the model and does not move.
  explicit BpeModel(const TokenizerData& data);

  // The buffers of one caller.
  class Encoder {
   public:
    explicit Encoder(const BpeModel& model) : model_(model), merger_(model.merges_) {}

    // Appends the ids of `text`, which may be any bytes. A byte that the vocabulary cannot write is
    // dropped when it is part of a character, as the `tokenizers` package does; U+FFFD stands for
    // one that is not.
    void encode(std::string_view text, std::vector<TokenId>& ids);

   private:
    void encode_part(std::string_view text, std::vector<TokenId>& ids);
    void push_bytes(std::string_view text);
    void push_characters(std::string_view text);
    void push_character(std::string_view character);
    void push_unknown();

    const BpeModel& model_;
    Merger merger_;
    std::vector<TokenId> symbols_;
    bool last_is_unknown_ = false;
  };

 private:
  static constexpr TokenId kNone = -1;

  void read_byte_pieces();
  void read_text_pieces();
  bool merges_stay_in_words() const;

  const TokenizerData& data_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_ids_{};  // byte level: the byte's piece; else its "<0xNN>"
  bool can_write_replacement_ = false;   // byte level: U+FFFD has pieces for its bytes
  // By their text; byte level: by the bytes they write, and only if ignore_merges wants them.
  std::unordered_map<std::string, TokenId> pieces_;
  // No merge reaches over the beginning of a word, so that words can be merged one by one.
  bool words_are_apart_ = false;
};

}  // namespace sluice::runtime
