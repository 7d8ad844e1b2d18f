// SPDX-License-Identifier: Apache-2.0
#include "bench/quality/continuation.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "runtime/engine/engine_options.hpp"

namespace sluice::bench {
namespace {

using runtime::kKvBlockTokens;

std::vector<float> log_probabilities(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - most));
  const auto log_sum = most + static_cast<float>(std::log(sum));
  std::vector<float> logs(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) logs[i] = logits[i] - log_sum;
  return logs;
}

// The first `rows` rows of one head, K and V, from the dump's one block into the pool's many.
void copy_head(const HeldCache& held, std::size_t head, std::int64_t rows, runtime::KvPool& pool,
               std::span<const runtime::KvBlockId> blocks) {
  const kernels::CacheShape& shape = held.cache.shape();
  const auto layer = static_cast<std::int64_t>(head) / shape.kv_heads;
  const auto kv_head = static_cast<std::int64_t>(head) % shape.kv_heads;
  const std::int64_t row_bytes = shape.head_dim * 2;  // BF16
  for (std::int64_t half = 0; half < 2; ++half) {
    const std::int64_t plane = half * shape.kv_heads + kv_head;
    const std::byte* from =
        held.cache.pages(layer).blocks[0] + plane * held.cache.tokens() * row_bytes;
    for (std::int64_t row = 0; row < rows; row += kKvBlockTokens) {
      const std::int64_t count = std::min(kKvBlockTokens, rows - row);
      std::byte* to = pool.block(layer, blocks[static_cast<std::size_t>(row / kKvBlockTokens)]) +
                      plane * kKvBlockTokens * row_bytes;
      std::memcpy(to, from + row * row_bytes, static_cast<std::size_t>(count * row_bytes));
    }
  }
}

}  // namespace

Continuation::Continuation(runtime::DecodeEngine& engine, std::unique_ptr<runtime::KvPool> pool,
                           runtime::KvSequence sequence)
    : engine_(&engine),
      pool_(std::move(pool)),
      sequence_(std::move(sequence)),
      logits_(static_cast<std::size_t>(engine.spec().vocab)) {}

Result<Continuation> Continuation::begin(runtime::DecodeEngine& engine, const HeldCache& held,
                                         std::int64_t tokens_more) {
  const kernels::CacheShape& shape = held.cache.shape();
  const std::int64_t before = held.cache.tokens() - 1;
  const std::int64_t blocks = runtime::kv_blocks_for(before + tokens_more);
  auto pool = SLUICE_TRY(runtime::KvPool::create(runtime::kv_shape_of(engine.spec()), blocks));
  runtime::KvSequence sequence{SLUICE_TRY(pool->acquire(blocks)), before, {}};
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
    copy_head(held, head, rows, *pool, sequence.blocks);
  }
  const bool all_kept = std::all_of(sequence.dropped.begin(), sequence.dropped.end(),
                                    [](std::int64_t rows) { return rows == 0; });
  if (all_kept) sequence.dropped.clear();
  return Continuation(engine, std::move(pool), std::move(sequence));
}

Result<std::span<const float>> Continuation::step(runtime::TokenId token) {
  runtime::KvSequence* sequence = &sequence_;
  SLUICE_TRY(engine_->decode(*pool_, {&sequence, 1}, {&token, 1}, logits_));
  return std::span<const float>(logits_);
}

Result<LogRows> log_rows(runtime::DecodeEngine& engine, const HeldCache& held,
                         std::span<const runtime::TokenId> fed, std::int64_t judged) {
  const auto count = static_cast<std::int64_t>(fed.size());
  auto continuation = SLUICE_TRY(Continuation::begin(engine, held, count));
  LogRows rows;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto logits = SLUICE_TRY(continuation.step(fed[static_cast<std::size_t>(i)]));
    if (i >= count - judged) rows.push_back(log_probabilities(logits));
  }
  return rows;
}

RowsDifference compare_rows(const LogRows& full, const LogRows& other,
                            std::span<const runtime::TokenId> tokens) {
  RowsDifference difference;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::vector<float>& p = full[i];
    const std::vector<float>& q = other[i];
    difference.nll -= q[static_cast<std::size_t>(tokens[i])];
    for (std::size_t token = 0; token < p.size(); ++token) {
      // What is less probable than e^-30 adds nothing that a double sum of all of them would show.
      if (p[token] > -30.0F) difference.kl += std::exp(p[token]) * (p[token] - q[token]);
    }
    const auto best = [](const std::vector<float>& row) {
      return std::max_element(row.begin(), row.end()) - row.begin();
    };
    difference.top1 += best(p) == best(q) ? 1.0 : 0.0;
  }
  const auto count = static_cast<double>(tokens.size());
  return {difference.nll / count, difference.kl / count, difference.top1 / count};
}

}  // namespace sluice::bench
