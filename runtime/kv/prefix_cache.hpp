// SPDX-License-Identifier: Apache-2.0
// The KV of prompts that were there before, kept in a pool while nobody needs its memory: a later
// prompt with the same beginning starts where the common part ends. Blocks are shared, never
// copied; the least recently used go first, the last blocks of a prefix before the ones it begins
// with.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "runtime/kv/kv_pool.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

using PrefixHash = std::uint64_t;

// Of each whole block of `block_tokens` tokens: XXH3-64 of the hash before it and the block's
// tokens; the first is begun with `salt`, so that KV of different kinds (a codec that is not exact)
// has different hashes. A rest of fewer tokens has none; nor has anything when `block_tokens` is 0.
std::vector<PrefixHash> block_hashes(std::span<const TokenId> prompt, std::int64_t block_tokens,
                                     std::uint64_t salt);

// Equal hashes are taken for equal prefixes, here and in all of the cluster. As the pool it is for
// one thread.
class PrefixCache {
 public:
  // Borrows the pool, which must outlive it. kInvalidArgument: `block_tokens` is no multiple of
  // kKvBlockTokens. 0: nothing is kept, and all else works.
  static Result<std::unique_ptr<PrefixCache>> create(KvPool& pool, std::int64_t block_tokens);
  ~PrefixCache();  // what it keeps and nobody holds is free again
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  std::int64_t block_tokens() const { return block_tokens_; }

  // How many of a prompt's first tokens are there: whole blocks, from the first on without a gap,
  // no more than `tokens_max` tokens. `hashes`: the prompt's, of block_hashes().
  std::int64_t cached_tokens(std::span<const PrefixHash> hashes, std::int64_t tokens_max) const;

  // A place for `tokens` tokens, all or nothing: the first blocks are the cache's, of
  // cached_tokens(hashes, tokens_max) tokens, which the sequence has seen then (its `tokens`) and
  // must only read; the rest is acquired. Whoever has it gives all blocks back to the pool as any
  // others. kResourceExhausted as acquire().
  Result<KvSequence> open(std::span<const PrefixHash> hashes, std::int64_t tokens_max,
                          std::int64_t tokens);

  // As KvPool::acquire(), after evicting what is missing; nothing is evicted in vain.
  Result<std::vector<KvBlockId>> acquire(std::int64_t blocks);
  // What acquire() can give: free, or kept here and held by nobody.
  std::int64_t available_blocks() const { return pool_.free_blocks() + pool_.idle_blocks(); }

  // Keeps the first `hashes.size()` blocks of block_tokens() tokens of a sequence, whose KV is
  // complete there, and of which no row was dropped. `blocks`: the sequence's, still held by the
  // caller. What is there already stays, and counts as used.
  void insert(std::span<const PrefixHash> hashes, std::span<const KvBlockId> blocks);

  std::size_t entries() const { return entries_.size(); }

  // Since the last call, for PrefixesMessage; a hash is in one of the two at most. What insert()
  // found there already is told again: whoever has lost track of it learns it so.
  struct Changes {
    std::vector<PrefixHash> stored;   // ascending
    std::vector<PrefixHash> evicted;  // ascending
    bool empty() const { return stored.empty() && evicted.empty(); }
  };
  Changes take_changes();

 private:
  struct Entry {
    PrefixHash hash = 0;
    std::vector<KvBlockId> blocks;  // of one block of block_tokens_
  };
  using Entries = std::list<Entry>;

  PrefixCache(KvPool& pool, std::int64_t block_tokens);
  void touch(std::span<const PrefixHash> hashes);
  bool is_idle(const Entry& entry) const;
  Status make_room(std::int64_t blocks);

  KvPool& pool_;
  std::int64_t block_tokens_;
  // By last use, the latest first. Who uses a block uses those before it too, and later: so a
  // prefix always loses its end first.
  Entries entries_;
  std::unordered_map<PrefixHash, Entries::iterator> found_;
  std::map<PrefixHash, bool> changes_;  // true: stored
};

}  // namespace sluice::runtime
