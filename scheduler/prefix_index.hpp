// SPDX-License-Identifier: Apache-2.0
// Which workers hold the KV of which beginnings of prompts. A prompt is cut into blocks of equal
// size (512 tokens or fewer); a block's hash covers all tokens up to its end, so that equal hashes
// mean equal prefixes. Workers say what they store and what they evict.
#pragma once

#include <cstddef>
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

    friend bool operator==(const Cached&, const Cached&) = default;
  };

  // A worker that says it stores more blocks than this is believed only so far: what is not here is
  // not found, no more. A million blocks of 64 tokens are more KV than a host has memory for.
  static constexpr std::size_t kNodeBlocksMax = std::size_t{1} << 20;

  explicit PrefixIndex(std::size_t node_blocks_max = kNodeBlocksMax)
      : node_blocks_max_(node_blocks_max) {}

  void store(std::uint32_t node, std::span<const PrefixHash> blocks);
  void evict(std::uint32_t node, std::span<const PrefixHash> blocks);
  void forget(std::uint32_t node);  // it has ended, or begins anew

  // Of a prompt with these blocks in order: workers that hold at least the first, by node. Takes
  // time by what is found, not by what is stored.
  std::vector<Cached> find(std::span<const PrefixHash> blocks) const;

  std::size_t entries() const { return entries_; }  // pairs of block and worker

 private:
  // What a worker has stored. Evicted blocks stay in the list until they are half of it, so that no
  // eviction has to look for its place; a block that was stored again is there twice.
  struct Held {
    std::vector<PrefixHash> blocks;
    std::size_t count = 0;  // of those that it holds
  };
  bool holds(std::uint32_t node, PrefixHash block) const;
  bool erase(std::uint32_t node, PrefixHash block);
  void sweep(std::uint32_t node, Held& held) const;

  // The workers that hold it, ascending; never none.
  std::unordered_map<PrefixHash, std::vector<std::uint32_t>> holders_;
  std::unordered_map<std::uint32_t, Held> held_;
  std::size_t node_blocks_max_;
  std::size_t entries_ = 0;
};

}  // namespace sluice::scheduler
