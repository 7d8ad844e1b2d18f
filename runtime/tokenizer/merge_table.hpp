// SPDX-License-Identifier: Apache-2.0
// Byte-pair merging: the lowest rank first, the leftmost among equals (Sennrich et al., "Neural
// Machine Translation of Rare Words with Subword Units", section 3.2).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

class MergeTable {
 public:
  explicit MergeTable(std::span<const MergeRule> rules);

  struct Merge {
    std::int32_t rank;
    TokenId merged;
  };

  // Null when the two do not merge.
  const Merge* find(TokenId left, TokenId right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t at = hash(key) & mask_;; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return &slots_[at].merge;
      if (slots_[at].key == kEmpty) return nullptr;
    }
  }

 private:
  // Ids are not negative, so no pair has this key.
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge{};
  };

  static std::uint64_t key_of(TokenId left, TokenId right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }
  // Fibonacci hashing (Knuth, The Art of Computer Programming 3, section 6.4), folded.
  static std::uint64_t hash(std::uint64_t key) {
    key *= 0x9E3779B97F4A7C15U;
    return key ^ key >> 32;
  }

  std::vector<Slot> slots_;
  std::uint64_t mask_ = 0;
};

// The buffers of one caller of apply().
class Merger {
 public:
  explicit Merger(const MergeTable& table) : table_(table) {}

  // Merges `symbols` in place until no pair of neighbours has a rule; O(n log n).
  void apply(std::vector<TokenId>& symbols);

 private:
  struct Node {
    TokenId id;
    std::int32_t previous;
    std::int32_t next;
  };
  struct Candidate {
    std::int32_t rank;
    std::int32_t position;
    TokenId merged;
    // A heap's top is the largest: the lowest rank, then the leftmost.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };

  void apply_short(std::vector<TokenId>& symbols);
  void apply_long(std::vector<TokenId>& symbols);
  void push_candidate(std::int32_t position);

  const MergeTable& table_;
  std::vector<MergeTable::Merge> ranks_;
  std::vector<Node> nodes_;
  std::vector<Candidate> heap_;
};

}  // namespace sluice::runtime
