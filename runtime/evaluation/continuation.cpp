// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/continuation.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::runtime {
namespace {

// The first `rows` rows of one head, K and V, from the dump's one block into the pool's many.
void copy_head(const DumpedCache& cache, std::size_t head, std::int64_t rows, KvPool& pool,
               std::span<const KvBlockId> blocks) {
  const kernels::CacheShape& shape = cache.shape();
  const auto layer = static_cast<std::int64_t>(head) / shape.kv_heads;
  const auto kv_head = static_cast<std::int64_t>(head) % shape.kv_heads;
  const std::int64_t row_bytes = shape.head_dim * 2;  // BF16
  for (std::int64_t half = 0; half < 2; ++half) {
    const std::int64_t plane = half * shape.kv_heads + kv_head;
    const std::byte* from = cache.pages(layer).blocks[0] + plane * cache.tokens() * row_bytes;
    for (std::int64_t row = 0; row < rows; row += kKvBlockTokens) {
      const std::int64_t count = std::min(kKvBlockTokens, rows - row);
      std::byte* to = pool.block(layer, blocks[static_cast<std::size_t>(row / kKvBlockTokens)]) +
                      plane * kKvBlockTokens * row_bytes;
      std::memcpy(to, from + row * row_bytes, static_cast<std::size_t>(count * row_bytes));
    }
  }
}

bool is_ended(const GreedyAnswer& answer, std::span<const TokenId> ends, std::int64_t tokens_max) {
  return static_cast<std::int64_t>(answer.said.size()) >= tokens_max ||
         std::find(ends.begin(), ends.end(), answer.said.back()) != ends.end();
}

}  // namespace

std::int64_t blocks_after(const DumpedCache& cache, std::int64_t tokens_more) {
  return kv_blocks_for(cache.tokens() - 1 + tokens_more);
}

Result<KvSequence> place_cache(const HeldCache& held, std::int64_t tokens_more, KvPool& pool) {
  const kernels::CacheShape& shape = held.cache.shape();
  const std::int64_t before = held.cache.tokens() - 1;
  KvSequence sequence{SLUICE_TRY(pool.acquire(blocks_after(held.cache, tokens_more))), before, {}};
  for (std::size_t head = 0; head < static_cast<std::size_t>(shape.layers * shape.kv_heads);
       ++head) {
    std::int64_t rows = before;
    if (!held.positions.empty()) {
      // Positions ascend: the last token's row, if it was kept, is the last.
      const std::vector<std::int32_t>& kept = held.positions[head];
      rows = static_cast<std::int64_t>(kept.size());
      if (!kept.empty() && kept.back() == before) --rows;
    }
    sequence.dropped.push_back(before - rows);
    copy_head(held.cache, head, rows, pool, sequence.blocks);
  }
  const bool all_kept = std::all_of(sequence.dropped.begin(), sequence.dropped.end(),
                                    [](std::int64_t rows) { return rows == 0; });
  if (all_kept) sequence.dropped.clear();
  return sequence;
}

Result<LogRows> rows_along(DecodeEngine& engine, KvPool& pool, KvSequence& sequence,
                           std::span<const TokenId> fed, std::int64_t judged) {
  const auto vocab = static_cast<std::size_t>(engine.spec().vocab);
  const std::int64_t before = sequence.tokens;
  std::vector<float> logits(fed.size() * vocab);
  const Status appended = engine.append(pool, sequence, fed, logits);
  sequence.tokens = before;
  SLUICE_TRY(appended);
  LogRows rows;
  for (std::size_t i = fed.size() - static_cast<std::size_t>(judged); i < fed.size(); ++i) {
    rows.push_back(log_probabilities(std::span(logits).subspan(i * vocab, vocab)));
  }
  return rows;
}

Status say_greedily(DecodeEngine& engine, KvPool& pool, std::span<GreedyAnswer> answers,
                    std::span<const TokenId> ends, std::int64_t tokens_max) {
  const auto vocab = static_cast<std::size_t>(engine.spec().vocab);
  std::vector<float> logits;
  for (;;) {
    std::vector<GreedyAnswer*> going;
    std::vector<KvSequence*> sequences;
    std::vector<TokenId> tokens;
    for (GreedyAnswer& answer : answers) {
      if (is_ended(answer, ends, tokens_max)) continue;
      going.push_back(&answer);
      sequences.push_back(&answer.sequence);
      tokens.push_back(answer.said.back());
    }
    if (going.empty()) return {};
    logits.resize(going.size() * vocab);
    SLUICE_TRY(engine.decode(pool, sequences, tokens, logits));
    for (std::size_t i = 0; i < going.size(); ++i) {
      going[i]->said.push_back(most_probable(std::span(logits).subspan(i * vocab, vocab)));
    }
  }
}

}  // namespace sluice::runtime
