// SPDX-License-Identifier: Apache-2.0
// Where UTF-8 characters begin and end in bytes that may be anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::runtime {

// Bytes (1-4) of the well-formed character that starts at `at` (Unicode 3.9, table 3-7: no
// surrogates, no overlong forms, nothing above U+10FFFF); 0 when there is none.
std::size_t utf8_character_bytes(std::string_view text, std::size_t at);

// Bytes from `at` on that are well-formed without a gap, and bytes that are not.
std::size_t utf8_valid_run_bytes(std::string_view text, std::size_t at);
std::size_t utf8_invalid_run_bytes(std::string_view text, std::size_t at);

// Bytes (0-3) at the end of `text` that could become a character if more bytes came.
std::size_t utf8_unfinished_bytes(std::string_view text);

// The code point of the well-formed character `character`.
char32_t utf8_code_point(std::string_view character);
void append_utf8(std::string& text, char32_t code_point);

}  // namespace sluice::runtime
