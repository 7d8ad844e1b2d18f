// SPDX-License-Identifier: Apache-2.0
// What the names in GGUF's tokenizer.ggml.pre stand for.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sluice::runtime {

struct PreTokenizerRow {
  std::string_view name;
  std::span<const std::string_view> patterns;  // splits in order, each match a piece
  bool nfc = false;                            // the family's normalizer is NFC
  bool ignore_merges = false;
  bool add_bos = false;  // unless the file says otherwise
};

// Null for a name that is not in the table.
const PreTokenizerRow* find_pre_tokenizer(std::string_view name);

// The names in the table, for an error message.
std::string pre_tokenizer_names();

// The pattern of the ByteLevel pre-tokenizer (GPT-2).
std::string_view gpt2_pattern();

}  // namespace sluice::runtime
