// SPDX-License-Identifier: Apache-2.0
#include "bench/quality/loss.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "launch/prompt_text.hpp"
#include "runtime/codec/coded_cache.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/engine/sampler.hpp"

namespace sluice::bench {
namespace {

using runtime::TokenId;

// Of the prompt's end: from the first token that the question changes. 0 where none is marked.
Result<std::int64_t> question_tokens(const Item& item, const launch::LoadedModel& model,
                                     std::span<const TokenId> prompt) {
  if (item.question.empty()) return 0;
  const std::string before = item.prompt.substr(0, item.prompt.size() - item.question.size());
  const auto without = SLUICE_TRY(launch::encode_prompt(model, before, false));
  const auto same = std::mismatch(prompt.begin(), prompt.end(), without.begin(), without.end());
  return static_cast<std::int64_t>(prompt.end() - same.first);
}

// What the model says after `given`, word by word the most probable, and the rows it said it from.
Status say_own(runtime::DecodeEngine& engine, const launch::LoadedModel& model,
               Reference& reference) {
  std::vector<TokenId> fed{reference.prompt_last};
  const auto ends = model.tokenizer->end_of_text();
  auto continuation =
      SLUICE_TRY(Continuation::begin(engine, {reference.cache, {}}, kOwnTokens + 1));
  TokenId token = reference.prompt_last;
  for (std::int64_t i = 0; i < kOwnTokens; ++i) {
    token = runtime::sample(SLUICE_TRY(continuation.step(token)), {}, i);
    reference.own.push_back(token);
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) break;
  }
  return {};
}

// `first` and all but the last of `said`: what is fed for the rows that judge `said`.
std::vector<TokenId> fed_for(std::span<const TokenId> first, std::span<const TokenId> said) {
  std::vector<TokenId> fed(first.begin(), first.end());
  fed.insert(fed.end(), said.begin(), said.end() - 1);
  return fed;
}

struct BothRows {
  LogRows answer;
  LogRows own;
};

Result<BothRows> rows_after(const Reference& reference, const HeldCache& held,
                            runtime::DecodeEngine& engine) {
  const auto along = [&](std::span<const TokenId> first, std::span<const TokenId> said) {
    return log_rows(engine, held, fed_for(first, said), static_cast<std::int64_t>(said.size()));
  };
  return BothRows{SLUICE_TRY(along(reference.given, reference.answer)),
                  SLUICE_TRY(along({&reference.prompt_last, 1}, reference.own))};
}

}  // namespace

Result<Reference> make_reference(const Item& item, const launch::LoadedModel& model,
                                 runtime::PrefillEngine& prefill, runtime::DecodeEngine& decode) {
  const auto prompt = SLUICE_TRY(launch::encode_prompt(model, item.prompt, false));
  Reference reference{item.task,
                      SLUICE_TRY(runtime::prefill_cache(prefill, *model.file, prompt, {})),
                      SLUICE_TRY(question_tokens(item, model, prompt)),
                      {prompt.back()},
                      model.tokenizer->encode(item.answer, {.add_special = false}),
                      {},
                      prompt.back(),
                      {},
                      {},
                      0.0};
  const auto start = model.tokenizer->encode(item.answer_start, {.add_special = false});
  reference.given.insert(reference.given.end(), start.begin(), start.end());
  SLUICE_TRY(say_own(decode, model, reference));
  auto rows = SLUICE_TRY(rows_after(reference, {reference.cache, {}}, decode));
  reference.answer_rows = std::move(rows.answer);
  reference.own_rows = std::move(rows.own);
  reference.nll = compare_rows(reference.answer_rows, reference.answer_rows, reference.answer).nll;
  return reference;
}

Result<Loss> measure_loss(const Reference& reference, const kernels::Pipeline& pipeline,
                          const std::shared_ptr<const kernels::Profile>& profile,
                          runtime::DecodeEngine& decode) {
  runtime::CacheEncoding encoding;
  encoding.question_tokens = reference.question_tokens;
  const auto coded =
      SLUICE_TRY(runtime::encode_cache(reference.cache, pipeline, encoding, nullptr));
  const auto decoded = SLUICE_TRY(runtime::decode_cache(coded, profile, nullptr));
  const auto rows = SLUICE_TRY(rows_after(reference, {decoded.cache, decoded.positions}, decode));
  const auto on_answer = compare_rows(reference.answer_rows, rows.answer, reference.answer);
  const auto on_own = compare_rows(reference.own_rows, rows.own, reference.own);
  const kernels::CacheShape& shape = reference.cache.shape();
  const auto raw_bytes = static_cast<double>(shape.layers * shape.kv_heads * shape.head_dim *
                                             reference.cache.tokens() * 4);
  return Loss{reference.task, pipeline.name(), raw_bytes / static_cast<double>(coded.frames.size()),
              reference.nll,  on_answer.nll,   on_answer.kl,
              on_answer.top1, on_own.kl,       on_own.top1};
}

}  // namespace sluice::bench
