// SPDX-License-Identifier: Apache-2.0
// The alphabet in which byte-level vocabularies write bytes as printable characters (GPT-2,
// "Language Models are Unsupervised Multitask Learners", section 2.2, and its published encoder):
// printable Latin-1 bytes stand for themselves, the others for U+0100 on, in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::runtime {

// The bytes that `piece` writes; nothing when a character is not of the alphabet.
std::optional<std::string> bytes_from_alphabet(std::string_view piece);

// The character that stands for `byte`, as UTF-8.
std::string alphabet_character(std::uint8_t byte);

}  // namespace sluice::runtime
