// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/utf8.hpp"

#include <algorithm>

namespace sluice::runtime {
namespace {

struct SecondByte {
  unsigned char low;
  unsigned char high;
};

// The second byte's range is what rules out overlong forms, surrogates and values too large.
SecondByte second_byte_range(unsigned char first) {
  switch (first) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {0x80, 0xBF};
  }
}

std::size_t bytes_announced(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

// How many of the bytes at `at` fit the beginning of a character of `bytes` bytes.
std::size_t fitting_bytes(std::string_view text, std::size_t at, std::size_t bytes) {
  const std::size_t end = std::min(text.size(), at + bytes);
  const auto range = second_byte_range(static_cast<unsigned char>(text[at]));
  std::size_t position = at + 1;
  for (; position < end; ++position) {
    const auto byte = static_cast<unsigned char>(text[position]);
    const bool second = position == at + 1;
    if (byte < (second ? range.low : 0x80) || byte > (second ? range.high : 0xBF)) break;
  }
  return position - at;
}

}  // namespace

std::size_t utf8_character_bytes(std::string_view text, std::size_t at) {
  const std::size_t bytes = bytes_announced(static_cast<unsigned char>(text[at]));
  if (bytes <= 1) return bytes;
  return fitting_bytes(text, at, bytes) == bytes ? bytes : 0;
}

std::size_t utf8_valid_run_bytes(std::string_view text, std::size_t at) {
  std::size_t position = at;
  while (position < text.size()) {
    if (static_cast<unsigned char>(text[position]) < 0x80) {
      ++position;
      continue;
    }
    const std::size_t bytes = utf8_character_bytes(text, position);
    if (bytes == 0) break;
    position += bytes;
  }
  return position - at;
}

std::size_t utf8_invalid_run_bytes(std::string_view text, std::size_t at) {
  std::size_t position = at;
  while (position < text.size() && utf8_character_bytes(text, position) == 0) ++position;
  return position - at;
}

std::size_t utf8_unfinished_bytes(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const std::size_t at = text.size() - back;
    const std::size_t bytes = bytes_announced(static_cast<unsigned char>(text[at]));
    if (bytes > back && fitting_bytes(text, at, bytes) == back) return back;
    if (bytes != 0) return 0;
  }
  return 0;
}

char32_t utf8_code_point(std::string_view character) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(character[i]));
  };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace sluice::runtime
