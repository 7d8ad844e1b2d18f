// SPDX-License-Identifier: Apache-2.0
// What one pipeline costs one item: the answer after its frames beside that after the whole cache.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/quality/continuation.hpp"
#include "bench/quality/item_file.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "launch/rank.hpp"

namespace sluice::bench {

inline constexpr std::int64_t kOwnTokens = 16;

// An item's prompt as tokens, its cache, and what the model says after the whole of it.
struct Reference {
  std::string task;
  runtime::DumpedCache cache;
  std::int64_t question_tokens = 0;
  std::vector<runtime::TokenId> given;  // the prompt's last token and the answer's given start
  std::vector<runtime::TokenId> answer;
  std::vector<runtime::TokenId> own;  // the model's greedy answer
  runtime::TokenId prompt_last = 0;
  LogRows answer_rows;
  LogRows own_rows;
  double nll = 0.0;  // of the answer, by token
};

// The prompt in the model's chat template, as `sluice run` renders it.
Result<Reference> make_reference(const Item& item, const launch::LoadedModel& model,
                                 runtime::PrefillEngine& prefill, runtime::DecodeEngine& decode);

struct Loss {
  std::string task;
  std::string pipeline;
  double ratio = 0.0;     // BF16 bytes of the cache over those of its frames
  double nll_full = 0.0;  // of the answer, nats per token, after the whole cache
  double nll = 0.0;
  double kl = 0.0;  // along the answer, nats per token
  double top1 = 0.0;
  double own_kl = 0.0;  // along the model's own answer
  double own_top1 = 0.0;
};

// Through frames and back, by the code of the workers. Any thread, each with an engine of its own.
Result<Loss> measure_loss(const Reference& reference, const kernels::Pipeline& pipeline,
                          const std::shared_ptr<const kernels::Profile>& profile,
                          runtime::DecodeEngine& decode);

}  // namespace sluice::bench
