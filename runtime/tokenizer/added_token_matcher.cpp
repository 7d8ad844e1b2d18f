// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/added_token_matcher.hpp"

#include <utf8proc.h>

#include <algorithm>

#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

// White_Space of Unicode 16.
bool is_space(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// \w of a regular expression: letters, marks, decimal digits and connectors.
bool is_word(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return c == 0x200C || c == 0x200D;  // joiners count as parts of words
  }
}

// The character that ends at `end`, and its size; size 0 at the start or in invalid bytes.
std::size_t character_before(std::string_view text, std::size_t end, char32_t& character) {
  for (std::size_t size = 1; size <= 4 && size <= end; ++size) {
    if (utf8_character_bytes(text, end - size) == size) {
      character = utf8_code_point(text.substr(end - size, size));
      return size;
    }
  }
  return 0;
}

std::size_t character_at(std::string_view text, std::size_t at, char32_t& character) {
  const std::size_t size = at < text.size() ? utf8_character_bytes(text, at) : 0;
  if (size != 0) character = utf8_code_point(text.substr(at, size));
  return size;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  char32_t character = 0;
  if (character_before(text, begin, character) != 0 && is_word(character)) return false;
  return character_at(text, end, character) == 0 || !is_word(character);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), nodes_(1) {
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) insert(i);
}

void AddedTokenMatcher::insert(std::uint32_t index) {
  const std::string& content = tokens_[index].content;
  if (content.empty()) return;
  std::uint32_t at = 0;
  for (const char c : content) {
    const auto byte = static_cast<unsigned char>(c);
    auto& edges = nodes_[at].edges;
    const auto place = std::lower_bound(edges.begin(), edges.end(), byte,
                                        [](const Edge& e, unsigned char b) { return e.byte < b; });
    if (place != edges.end() && place->byte == byte) {
      at = place->node;
    } else {
      const auto created = static_cast<std::uint32_t>(nodes_.size());
      edges.insert(place, {byte, created});
      nodes_.emplace_back();
      at = created;
    }
  }
  nodes_[at].token = static_cast<std::int32_t>(index);
  starts_[static_cast<unsigned char>(content[0])] = true;
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, std::size_t at) const {
  const AddedToken* longest = nullptr;
  const Node* node = &nodes_[0];
  for (; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const auto edge = std::lower_bound(node->edges.begin(), node->edges.end(), byte,
                                       [](const Edge& e, unsigned char b) { return e.byte < b; });
    if (edge == node->edges.end() || edge->byte != byte) break;
    node = &nodes_[edge->node];
    if (node->token >= 0) longest = &tokens_[static_cast<std::size_t>(node->token)];
  }
  return longest;
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::next(std::string_view text,
                                                                std::size_t from,
                                                                bool parse_special) const {
  if (tokens_.empty()) return std::nullopt;
  for (std::size_t at = from; at < text.size(); ++at) {
    if (!starts_[static_cast<unsigned char>(text[at])]) continue;
    const AddedToken* token = longest_at(text, at);
    if (token == nullptr) continue;
    Match match{token, at, at + token->content.size()};
    if ((token->special && !parse_special) ||
        (token->single_word && !stands_alone(text, match.begin, match.end))) {
      at = match.end - 1;  // the text of a token that does not count hides what lies in it
      continue;
    }
    char32_t character = 0;
    if (token->lstrip) {
      for (std::size_t size; match.begin > from; match.begin -= size) {
        size = character_before(text, match.begin, character);
        if (size == 0 || match.begin - size < from || !is_space(character)) break;
      }
    }
    if (token->rstrip) {
      for (std::size_t size; (size = character_at(text, match.end, character)) != 0;) {
        if (!is_space(character)) break;
        match.end += size;
      }
    }
    return match;
  }
  return std::nullopt;
}

}  // namespace sluice::runtime
