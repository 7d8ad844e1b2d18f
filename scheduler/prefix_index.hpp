// SPDX-License-Identifier: Apache-2.0
// Which workers hold the KV of which beginnings of prompts. A prompt is cut into blocks of equal
// size (512 tokens or fewer); a block's hash covers all tokens up to its end, so that equal hashes
// mean equal prefixes. Workers say what they store and what they evict.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace sluice::scheduler {

using PrefixHash = std::uint64_t;

class PrefixIndex {
 public:
  struct Cached {
    std::uint32_t node = 0;
    std::int64_t blocks = 0;  // from the first on, without a gap
  };

  void store(std::uint32_t node, std::span<const PrefixHash> blocks);
  void evict(std::uint32_t node, std::span<const PrefixHash> blocks);
  void forget(std::uint32_t node);  // it has ended, or begins anew

  // Of a prompt with these blocks in order: workers that hold at least the first, by node. Takes
  // time by what is found, not by what is stored.
  std::vector<Cached> find(std::span<const PrefixHash> blocks) const;

  std::size_t entries() const { return entries_; }  // pairs of block and worker

 private:
  // The workers that hold it, ascending.
  std::unordered_map<PrefixHash, std::vector<std::uint32_t>> holders_;
  std::unordered_map<std::uint32_t, std::vector<PrefixHash>> held_;
  std::size_t entries_ = 0;
};

}  // namespace sluice::scheduler
