// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/prefix_cache.hpp"

#include <xxhash.h>

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/core/check.hpp"

namespace sluice::runtime {

std::vector<PrefixHash> block_hashes(std::span<const TokenId> prompt, std::int64_t block_tokens,
                                     std::uint64_t salt) {
  std::vector<PrefixHash> hashes;
  if (block_tokens <= 0) return hashes;
  const auto size = static_cast<std::size_t>(block_tokens);
  hashes.reserve(prompt.size() / size);
  PrefixHash hash = salt;
  for (; prompt.size() >= size; prompt = prompt.subspan(size)) {
    const auto block = std::as_bytes(prompt.first(size));
    hash = XXH3_64bits_withSeed(block.data(), block.size(), hash);
    hashes.push_back(hash);
  }
  return hashes;
}

Result<std::unique_ptr<PrefixCache>> PrefixCache::create(KvPool& pool, std::int64_t block_tokens) {
  if (block_tokens < 0 || block_tokens % kKvBlockTokens != 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      "blocks of the prefix cache have a multiple of " +
                          std::to_string(kKvBlockTokens) + " tokens, not " +
                          std::to_string(block_tokens));
  }
  return std::unique_ptr<PrefixCache>(new PrefixCache(pool, block_tokens));
}

PrefixCache::PrefixCache(KvPool& pool, std::int64_t block_tokens)
    : pool_(pool), block_tokens_(block_tokens) {}

PrefixCache::~PrefixCache() {
  for (const Entry& entry : entries_) pool_.drop(entry.blocks);
}

std::int64_t PrefixCache::cached_tokens(std::span<const PrefixHash> hashes,
                                        std::int64_t tokens_max) const {
  std::int64_t tokens = 0;
  for (const PrefixHash hash : hashes) {
    if (tokens_max - tokens < block_tokens_ || !found_.contains(hash)) break;
    tokens += block_tokens_;
  }
  return tokens;
}

// All of `hashes` are there. The last one first, so that each is older than what comes before it.
void PrefixCache::touch(std::span<const PrefixHash> hashes) {
  for (std::size_t i = hashes.size(); i-- > 0;) {
    entries_.splice(entries_.begin(), entries_, found_.at(hashes[i]));
  }
}

Result<KvSequence> PrefixCache::open(std::span<const PrefixHash> hashes, std::int64_t tokens_max,
                                     std::int64_t tokens) {
  KvSequence sequence;
  sequence.tokens = cached_tokens(hashes, std::min(tokens_max, tokens));
  if (sequence.tokens > 0) {
    const auto shared = hashes.first(static_cast<std::size_t>(sequence.tokens / block_tokens_));
    touch(shared);
    for (const PrefixHash hash : shared) {
      const Entry& entry = *found_.at(hash);
      sequence.blocks.insert(sequence.blocks.end(), entry.blocks.begin(), entry.blocks.end());
    }
    pool_.share(sequence.blocks);
  }
  auto rest = acquire(kv_blocks_for(tokens) - static_cast<std::int64_t>(sequence.blocks.size()));
  if (!rest) {
    pool_.release(sequence.blocks);
    return std::move(rest).error();
  }
  sequence.blocks.insert(sequence.blocks.end(), rest->begin(), rest->end());
  return sequence;
}

// Its blocks are held together, by whoever has the sequence.
bool PrefixCache::is_idle(const Entry& entry) const {
  return std::ranges::none_of(entry.blocks, [this](KvBlockId id) { return pool_.is_held(id); });
}

Status PrefixCache::make_room(std::int64_t blocks) {
  if (blocks > available_blocks()) {
    return make_error(ErrorCode::kResourceExhausted,
                      "the KV pool has " + std::to_string(available_blocks()) + " of " +
                          std::to_string(pool_.blocks()) + " blocks free or to be freed, " +
                          std::to_string(blocks) + " were asked for");
  }
  for (auto entry = entries_.end(); blocks > pool_.free_blocks() && entry != entries_.begin();) {
    --entry;
    if (!is_idle(*entry)) continue;
    pool_.drop(entry->blocks);
    changes_[entry->hash] = false;
    found_.erase(entry->hash);
    entry = entries_.erase(entry);
  }
  return {};
}

Result<std::vector<KvBlockId>> PrefixCache::acquire(std::int64_t blocks) {
  SLUICE_TRY(make_room(blocks));
  return pool_.acquire(blocks);
}

void PrefixCache::insert(std::span<const PrefixHash> hashes, std::span<const KvBlockId> blocks) {
  if (hashes.empty() || block_tokens_ == 0) return;
  const auto size = static_cast<std::size_t>(block_tokens_ / kKvBlockTokens);
  SLUICE_CHECK(blocks.size() / size >= hashes.size(), "a prefix has KV blocks for all its tokens");
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    changes_[hashes[i]] = true;
    if (found_.contains(hashes[i])) continue;
    const auto own = blocks.subspan(i * size, size);
    pool_.keep(own);
    entries_.push_front({hashes[i], {own.begin(), own.end()}});
    found_[hashes[i]] = entries_.begin();
  }
  touch(hashes);
}

PrefixCache::Changes PrefixCache::take_changes() {
  Changes changes;
  for (const auto& [hash, is_stored] : std::exchange(changes_, {})) {
    (is_stored ? changes.stored : changes.evicted).push_back(hash);
  }
  return changes;
}

}  // namespace sluice::runtime
