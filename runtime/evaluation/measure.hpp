// SPDX-License-Identifier: Apache-2.0
// One item, one pipeline: through frames and back by the code of the workers, then the answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/pipeline/pipeline.hpp"
#include "runtime/codec/cache_file.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/evaluation/item.hpp"
#include "runtime/evaluation/log_rows.hpp"
#include "runtime/evaluation/outcome.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

// What is measured with; borrowed.
struct EvaluationModel {
  const ModelFile* file = nullptr;
  const Tokenizer* tokenizer = nullptr;
  // A user's text in the model's chat template, as tokens.
  std::function<Result<std::vector<TokenId>>(const std::string& text)> encode_prompt;
};

inline constexpr std::int64_t kOwnTokens = 16;  // of the model's own answer, at most

// An item's prompt as tokens, its cache with all scores, and what the model says after the whole.
struct Reference {
  EvaluationItem item;
  DumpedCache cache;
  std::int64_t question_tokens = 0;
  std::vector<TokenId> given;   // the prompt's last token and answer_start
  std::vector<TokenId> answer;  // the first gold answer
  std::vector<TokenId> own;     // the model's greedy answer
  LogRows answer_rows;
  LogRows own_rows;
  Outcome full;  // of kFullCache; its key is not set
};

// The prompt's last token is computed again over the rows of the tokens before it, so that every
// logit comes from what the cache says and none from prefill. `is_repeated`: with the scores of the
// prompt's repetition (KVzip), which is prefilled for them.
Result<Reference> make_reference(const EvaluationItem& item, const EvaluationModel& model,
                                 PrefillEngine& prefill, DecodeEngine& decode,
                                 bool is_repeated = false);

// Of the decoded frames: any thread, each with an engine of its own. The key is not set.
Result<Outcome> measure_outcome(const Reference& reference, const kernels::Pipeline& pipeline,
                                const std::shared_ptr<const kernels::Profile>& profile,
                                const EvaluationModel& model, DecodeEngine& decode);

// Of several pipelines, the same to the bit and sooner: their answers go on side by side, and all
// their caches are held at once.
Result<std::vector<Outcome>> measure_outcomes(
    const Reference& reference, std::span<const kernels::Pipeline* const> pipelines,
    const std::shared_ptr<const kernels::Profile>& profile, const EvaluationModel& model,
    DecodeEngine& decode);

// Of any cache that takes the reference's place, its rows as in DecodedCache (`positions`:
// [layer][kv_head]; empty: all were kept): what diagnosis wants. Bytes and times are not set.
Result<Outcome> measure_cache(const Reference& reference, const DumpedCache& cache,
                              std::span<const std::vector<std::int32_t>> positions,
                              const EvaluationModel& model, DecodeEngine& decode);

}  // namespace sluice::runtime
