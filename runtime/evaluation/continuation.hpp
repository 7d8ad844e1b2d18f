// SPDX-License-Identifier: Apache-2.0
// What a model says after a cache: along given tokens, and of its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/codec/cache_file.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/evaluation/log_rows.hpp"
#include "runtime/kv/kv_pool.hpp"

namespace sluice::runtime {

// A cache's rows as a decode worker would have them. `positions`: [layer][kv_head], of the rows
// that were kept; empty: all were.
struct HeldCache {
  const DumpedCache& cache;
  std::span<const std::vector<std::int32_t>> positions;
};

// Blocks of a pool that a cache needs, and `tokens_more` tokens after its last but one.
std::int64_t blocks_after(const DumpedCache& cache, std::int64_t tokens_more);

// The rows of all tokens but the prompt's last, in blocks of `pool`: the last is to be computed
// again over them, so that every logit comes from what the cache says and none from prefill.
Result<KvSequence> place_cache(const HeldCache& held, std::int64_t tokens_more, KvPool& pool);

// Feeds `fed`, then gives the rows after the last `judged` of them. The sequence is as long as it
// was.
Result<LogRows> rows_along(DecodeEngine& engine, KvPool& pool, KvSequence& sequence,
                           std::span<const TokenId> fed, std::int64_t judged);

// A greedy answer on its way: the last of `said` is still to be fed, at the sequence's end.
struct GreedyAnswer {
  KvSequence sequence;
  std::vector<TokenId> said;
};

// Until `tokens_max` tokens or one of `ends`, which is kept. All answers go on together; what one
// says does not depend on the others.
Status say_greedily(DecodeEngine& engine, KvPool& pool, std::span<GreedyAnswer> answers,
                    std::span<const TokenId> ends, std::int64_t tokens_max);

}  // namespace sluice::runtime
