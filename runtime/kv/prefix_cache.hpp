// SPDX-License-Identifier: Apache-2.0
// The KV of prompts that were there before, kept in a pool while nobody needs its memory: a later
// prompt with the same beginning starts where the common part ends. Blocks are shared, never
// copied; the least recently used go first, the last blocks of a prefix before the ones it begins
// with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/kv/kv_pool.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

using PrefixHash = std::uint64_t;

// Of each whole block of `block_tokens` tokens: XXH3-64 of the hash before it and the block's
// tokens; the first is begun with `salt`, so that KV of different kinds (a codec that is not exact)
// has different hashes. A rest of fewer tokens has none.
std::vector<PrefixHash> block_hashes(std::span<const TokenId> prompt, std::int64_t block_tokens,
                                     std::uint64_t salt);

}  // namespace sluice::runtime
