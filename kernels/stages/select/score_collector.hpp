// SPDX-License-Identifier: Apache-2.0
// Turns what prefill lets others watch into the scores that a pipeline's selection wants.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/select/expected_queries.hpp"
#include "kernels/stages/select/layer_queries.hpp"
#include "kernels/stages/select/scores.hpp"

namespace sluice::kernels {

struct ScoreTask {
  ScoreNeeds needs = {};
  CacheShape shape = {};
  std::int64_t heads = 0;   // of queries; a multiple of shape.kv_heads
  std::int64_t tokens = 0;  // of the whole prompt
  std::int64_t question_first =
      -1;  // first token of the question, which ends the prompt; < 0: none
  // For needs.output_norm: [heads][head_dim][head_dim], as PrefillEngine::output_gram().
  std::function<Result<std::span<const float>>(std::int64_t layer)> output_gram = {};
};

// A question of more tokens counts by its last ones: scoring is to stay under 5 % of prefill, also
// for a prompt of 1,000 tokens.
inline constexpr std::int64_t kQuestionTokensMax = 128;

// One request's, used by the thread that runs prefill (which lends its OpenMP threads).
class ScoreCollector {
 public:
  explicit ScoreCollector(ScoreTask task);

  // What to ask of the engine: queries from this position on, and the residual stream.
  std::int64_t first_token() const { return first_token_; }
  bool wants_similarity() const { return task_.needs.similarity; }

  // Pieces of a layer in order, of any size, queries from first_token() on without a gap (more is
  // fine). kInvalidArgument: they are not, or are of another shape.
  Status observe(const LayerQueries& piece);

  // Whether the last piece of `layer` was seen: its scores are final then.
  bool is_complete(std::int64_t layer) const;
  // By layer; shapes are those of kernels/stages/select/scores.hpp.
  std::span<const LayerScores> scores() const { return scores_; }
  // Spent in observe() so far: what scoring costs this request.
  double seconds() const { return seconds_; }

 private:
  Status check(const LayerQueries& piece) const;
  Status collect(const LayerQueries& piece);
  void add_queries(const LayerQueries& piece, LayerScores& scores) const;
  const RotationTable& rotations(std::int64_t first, std::int64_t last);

  ScoreTask task_;
  std::int64_t window_first_ = 0;
  std::int64_t first_token_ = 0;
  std::vector<LayerScores> scores_;
  std::vector<std::int64_t> seen_;  // tokens seen, by layer
  std::vector<double> similarity_;  // sums, by layer
  std::vector<std::unique_ptr<QueryStatistics>> statistics_;
  RotationTable rotations_;
  double seconds_ = 0.0;
};

}  // namespace sluice::kernels
