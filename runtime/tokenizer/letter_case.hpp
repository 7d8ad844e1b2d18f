// SPDX-License-Identifier: Apache-2.0
// Letters, words and spaces beyond ASCII, as scorers written in Python see them.
#pragma once

#include <string>
#include <string_view>

namespace sluice::runtime {

// Every letter replaced by its one small letter where Unicode has one (simple case mapping; Python
// maps U+0130 and a final sigma to more). Bytes that are not UTF-8 stay as they are.
std::string lowercase(std::string_view text);

// Letters, numbers and the underscore: `\w` of Python's re.
bool is_word_character(char32_t code_point);

// What Python's str.split() splits at.
bool is_space_character(char32_t code_point);

}  // namespace sluice::runtime
