// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/letter_case.hpp"

#include <utf8proc.h>

#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {

std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = utf8_character_bytes(text, at);
    if (bytes == 0) {
      out += text[at++];
      continue;
    }
    const char32_t code_point = utf8_code_point(text.substr(at, bytes));
    append_utf8(out,
                static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point))));
    at += bytes;
  }
  return out;
}

bool is_word_character(char32_t code_point) {
  if (code_point == U'_') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

bool is_space_character(char32_t code_point) {
  if (code_point >= 0x09 && code_point <= 0x0d) return true;
  if (code_point >= 0x1c && code_point <= 0x1f) return true;
  if (code_point == 0x85 || code_point == 0x2028 || code_point == 0x2029) return true;
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point)) == UTF8PROC_CATEGORY_ZS;
}

}  // namespace sluice::runtime
