// SPDX-License-Identifier: Apache-2.0
// A second pass over a prompt, which KVzip (arXiv 2505.23416) selects by: behind its cache the
// model is asked to repeat it, and gets it to read once more as its own answer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// What is asked of the model, in its tokens.
struct RepeatRequests {
  std::vector<TokenId> whole;   // before the prompt, or its first part
  std::vector<TokenId> later;   // before a later part: the end of the one before follows
  std::vector<TokenId> answer;  // between the request and what is repeated

  // In the words of the authors' code.
  static RepeatRequests make(const Tokenizer& tokenizer);
};

// A prompt longer than this is repeated in parts, each behind the whole cache: the authors' length.
inline constexpr std::int64_t kRepeatTokens = 2048;

// Tokens behind a prompt of `tokens` that a repetition needs room for.
std::int64_t repeated_tokens(const RepeatRequests& requests, std::int64_t tokens,
                             std::int64_t part_tokens = kRepeatTokens);

// The scores by layer, [kv_heads][tokens]. `sequence` holds the prompt in `pool` and is not
// changed; the rows behind it in its last block are. Takes blocks of the pool and gives them back.
// Weights of attention are of all keys (kvpress leaves out what is neither first, nor of the part,
// nor of its repetition: the same for a prompt of one part). kInvalidArgument: the model's context
// has no room for a repetition behind this prompt; kResourceExhausted: the pool has none.
Result<std::vector<std::vector<float>>> reconstruction_scores(
    PrefillEngine& engine, KvPool& pool, const KvSequence& sequence,
    std::span<const TokenId> prompt, const RepeatRequests& requests,
    std::int64_t part_tokens = kRepeatTokens);

}  // namespace sluice::runtime
