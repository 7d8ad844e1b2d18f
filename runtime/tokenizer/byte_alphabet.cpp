// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/byte_alphabet.hpp"

#include <array>

#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

// The last character that the alphabet uses is U+0100 + 67 for the 68 bytes that are not printable.
constexpr std::size_t kCodePointsMax = 0x144;

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<std::int16_t, kCodePointsMax> byte{};
};

constexpr bool is_printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (auto& byte : alphabet.byte) byte = -1;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t character = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
    alphabet.character[static_cast<std::size_t>(byte)] = character;
    alphabet.byte[character] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> bytes_from_alphabet(std::string_view piece) {
  std::string bytes;
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t size = utf8_character_bytes(piece, at);
    if (size == 0) return std::nullopt;
    const char32_t character = utf8_code_point(piece.substr(at, size));
    if (character >= kCodePointsMax || kAlphabet.byte[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte[character]));
    at += size;
  }
  return bytes;
}

std::string alphabet_character(std::uint8_t byte) {
  std::string text;
  append_utf8(text, kAlphabet.character[byte]);
  return text;
}

}  // namespace sluice::runtime
