// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/reconstruction.hpp"

#include <algorithm>
#include <string>

#include "kernels/core/check.hpp"
#include "kernels/stages/select/reconstruction.hpp"

namespace sluice::runtime {
namespace {

// Of the part before, to say where the next one starts (the authors' number).
constexpr std::size_t kReminderTokens = 8;
// Shorter parts would cost a request for every few tokens.
constexpr std::int64_t kPartTokensMin = 64;
constexpr std::size_t kChunkTokens = 512;

void append(std::vector<TokenId>& ids, std::span<const TokenId> more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

// Of the longest request, without what is repeated.
std::int64_t asked_tokens(const RepeatRequests& requests) {
  return static_cast<std::int64_t>(
      std::max(requests.whole.size(), requests.later.size() + kReminderTokens) +
      requests.answer.size());
}

std::vector<TokenId> request_of(const RepeatRequests& requests, std::span<const TokenId> prompt,
                                std::size_t first, std::size_t count) {
  std::vector<TokenId> ids = first == 0 ? requests.whole : requests.later;
  if (first > 0) {
    const std::size_t reminder = std::min(kReminderTokens, first);
    append(ids, prompt.subspan(first - reminder, reminder));
  }
  append(ids, requests.answer);
  append(ids, prompt.subspan(first, count));
  return ids;
}

// Blocks of the pool, given back in any case.
class Loan {
 public:
  Loan(KvPool& pool, std::vector<KvBlockId> blocks) : pool_(pool), blocks_(std::move(blocks)) {}
  ~Loan() { pool_.release(blocks_); }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  std::span<const KvBlockId> blocks() const { return blocks_; }

 private:
  KvPool& pool_;
  std::vector<KvBlockId> blocks_;
};

}  // namespace

RepeatRequests RepeatRequests::make(const Tokenizer& tokenizer) {
  const auto encode = [&](std::string_view text) {
    return tokenizer.encode(text, {.add_special = false});
  };
  return {encode("\n\nRepeat the previous context exactly."),
          encode("\n\nRepeat the part of the previous context exactly, starting with"),
          encode("\n")};
}

std::int64_t repeated_tokens(const RepeatRequests& requests, std::int64_t tokens,
                             std::int64_t part_tokens) {
  return asked_tokens(requests) + std::min(tokens, part_tokens);
}

Result<std::vector<std::vector<float>>> reconstruction_scores(PrefillEngine& engine, KvPool& pool,
                                                              const KvSequence& sequence,
                                                              std::span<const TokenId> prompt,
                                                              const RepeatRequests& requests,
                                                              std::int64_t part_tokens) {
  const ModelSpec& spec = engine.spec();
  const auto tokens = static_cast<std::int64_t>(prompt.size());
  SLUICE_CHECK(sequence.tokens == tokens && sequence.dropped.empty() && part_tokens > 0,
               "the sequence is the whole prompt's");
  const std::int64_t asked = asked_tokens(requests);
  const std::int64_t part = std::min({part_tokens, tokens, spec.context_max - tokens - asked});
  if (part < std::min({kPartTokensMin, part_tokens, tokens})) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a prompt of " + std::to_string(tokens) +
                          " tokens leaves no room to repeat it in the model's context of " +
                          std::to_string(spec.context_max));
  }
  KvSequence repeating = sequence;
  const std::int64_t blocks =
      kv_blocks_for(tokens + asked + part) - static_cast<std::int64_t>(sequence.blocks.size());
  const Loan loan(pool, SLUICE_TRY(pool.acquire(std::max<std::int64_t>(blocks, 0))));
  repeating.blocks.insert(repeating.blocks.end(), loan.blocks().begin(), loan.blocks().end());

  kernels::ReconstructionCollector collector(spec.layers, spec.kv_heads, tokens);
  Status observed;
  PrefillObserver observer;
  observer.first_token = tokens;
  observer.observe = [&](const kernels::LayerQueries& piece) {
    if (observed) observed = collector.observe(piece);
  };
  for (std::int64_t first = 0; first < tokens; first += part) {
    const std::int64_t count = std::min(part, tokens - first);
    const std::vector<TokenId> ids = request_of(requests, prompt, static_cast<std::size_t>(first),
                                                static_cast<std::size_t>(count));
    collector.begin_part(first, first + count);
    repeating.tokens = tokens;
    for (std::size_t at = 0; at < ids.size(); at += kChunkTokens) {
      const auto chunk = std::span(ids).subspan(at, std::min(kChunkTokens, ids.size() - at));
      SLUICE_TRY(engine.prefill(pool, repeating, chunk, PrefillHooks({}, &observer), {}));
      SLUICE_TRY(observed);
    }
  }
  std::vector<std::vector<float>> scores;
  for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
    scores.push_back(collector.peaks(layer));
  }
  return scores;
}

}  // namespace sluice::runtime
