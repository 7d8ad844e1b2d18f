// SPDX-License-Identifier: Apache-2.0
// Finds added tokens in text: the leftmost, the longest of those that start there.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  struct Match {
    const AddedToken* token;
    std::size_t begin;  // with the white space that the token takes
    std::size_t end;
  };

  // The first match at or after `from`; special tokens count only with `parse_special`.
  std::optional<Match> next(std::string_view text, std::size_t from, bool parse_special) const;

  bool empty() const { return tokens_.empty(); }

 private:
  // A trie: node 0 is the root; a node's edges are sorted by byte.
  struct Edge {
    unsigned char byte;
    std::uint32_t node;
  };
  struct Node {
    std::vector<Edge> edges;
    std::int32_t token = -1;  // an index into tokens_
  };

  void insert(std::uint32_t index);
  const AddedToken* longest_at(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<bool, 256> starts_{};  // bytes with which a token begins
};

}  // namespace sluice::runtime
