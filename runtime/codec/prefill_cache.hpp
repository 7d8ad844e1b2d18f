// SPDX-License-Identifier: Apache-2.0
// A prompt's cache straight from the engine, with the scores that any pipeline's selection may
// want.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/core/result.hpp"
#include "runtime/codec/cache_file.hpp"
#include "runtime/codec/reconstruction.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/model/model_file.hpp"

namespace sluice::runtime {

struct PrefillCacheOptions {
  std::int64_t window_tokens = 128;  // of the prompt's last queries to keep; fewer if it is shorter
  std::int64_t chunk_tokens = 512;   // computed at a time
  bool all_scores = true;            // H2O's, Expected Attention's and Squeeze's too
  // KVzip's as well, at the cost of a second prefill. Borrowed; null: not.
  const RepeatRequests* repeat = nullptr;
};

// Errors are the engine's: an empty prompt, one over the context, no memory; and those of
// reconstruction_scores().
Result<DumpedCache> prefill_cache(PrefillEngine& engine, const ModelFile& model,
                                  std::span<const TokenId> prompt,
                                  const PrefillCacheOptions& options);

// What a pipeline asks for, from a dumped cache. `question_tokens`: the question at the prompt's
// end, 0: not known. kInvalidArgument when the file does not hold what is asked for.
Result<std::vector<kernels::LayerScores>> scores_of(const DumpedCache& cache,
                                                    const kernels::ScoreNeeds& needs,
                                                    std::int64_t question_tokens);

}  // namespace sluice::runtime
