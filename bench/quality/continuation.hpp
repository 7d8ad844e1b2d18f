// SPDX-License-Identifier: Apache-2.0
// What a model says after a cache: logits along given tokens, and how far two such runs are apart.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/codec/cache_file.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/kv/kv_pool.hpp"

namespace sluice::bench {

// A cache's rows as a decode worker would have them. `positions`: [layer][kv_head], of the rows
// that were kept; empty: all were.
struct HeldCache {
  const runtime::DumpedCache& cache;
  std::span<const std::vector<std::int32_t>> positions;
};

// The prompt's last token is computed again, over the rows of the tokens before it, so that every
// logit comes from what the cache says and none from prefill.
class Continuation {
 public:
  // Borrows the engine. `tokens_more`: room for the last token and what follows.
  static Result<Continuation> begin(runtime::DecodeEngine& engine, const HeldCache& held,
                                    std::int64_t tokens_more);

  // One token on; the logits of what comes next, valid until the next call.
  Result<std::span<const float>> step(runtime::TokenId token);

 private:
  Continuation(runtime::DecodeEngine& engine, std::unique_ptr<runtime::KvPool> pool,
               runtime::KvSequence sequence);

  runtime::DecodeEngine* engine_;
  std::unique_ptr<runtime::KvPool> pool_;
  runtime::KvSequence sequence_;
  std::vector<float> logits_;
};

// One row of log-probabilities for each token that is judged.
using LogRows = std::vector<std::vector<float>>;

// Feeds `fed`, whose first is the prompt's last token; keeps the rows after the last `judged` of
// them.
Result<LogRows> log_rows(runtime::DecodeEngine& engine, const HeldCache& held,
                         std::span<const runtime::TokenId> fed, std::int64_t judged);

// Nats per token, over the rows.
struct RowsDifference {
  double nll = 0.0;   // of `tokens` under `other`
  double kl = 0.0;    // of `other` from `full`
  double top1 = 0.0;  // share of rows whose most probable token is the same
};
RowsDifference compare_rows(const LogRows& full, const LogRows& other,
                            std::span<const runtime::TokenId> tokens);

}  // namespace sluice::bench
