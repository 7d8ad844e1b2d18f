// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/score_collector.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "kernels/core/check.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/elementwise/convert.hpp"
#include "kernels/stages/select/attention_mass.hpp"

namespace sluice::kernels {
namespace {

std::size_t size_of(std::int64_t count) { return static_cast<std::size_t>(count); }

// The queries of `piece` from position `first` on.
LayerQueries from_position(const LayerQueries& piece, std::int64_t first) {
  LayerQueries rest = piece;
  const std::int64_t skipped =
      std::clamp<std::int64_t>(first - piece.first_token, 0, piece.last_token - piece.first_token);
  rest.first_token += skipped;
  rest.lse += skipped * piece.heads;
  rest.queries.data = static_cast<const std::byte*>(piece.queries.data) +
                      skipped * piece.queries.stride *
                          static_cast<std::int64_t>(dtype_block_bytes(piece.queries.dtype));
  return rest;
}

void add_mass(const LayerQueries& piece, std::int64_t tokens, std::vector<float>& sum,
              std::vector<float>* peak) {
  add_attention_mass({.pages = piece.pages,
                      .first_token = piece.first_token,
                      .last_token = piece.last_token,
                      .heads = piece.heads,
                      .queries = piece.queries,
                      .lse = piece.lse,
                      .sum = sum.data(),
                      .peak = peak == nullptr ? nullptr : peak->data(),
                      .stride = tokens});
}

}  // namespace

ScoreCollector::ScoreCollector(ScoreTask task) : task_(std::move(task)) {
  const ScoreNeeds& needs = task_.needs;
  SLUICE_CHECK(task_.shape.kv_heads > 0 && task_.heads % task_.shape.kv_heads == 0,
               "query heads share KV heads evenly");
  window_first_ = std::max<std::int64_t>(task_.tokens - needs.window_tokens, 0);
  if (needs.question && task_.question_first >= 0 && task_.question_first < task_.tokens) {
    window_first_ = std::max(task_.question_first, task_.tokens - kQuestionTokensMax);
  }
  const bool wants_window = needs.window_tokens > 0 || needs.queries;
  first_token_ = needs.accumulated || needs.expected ? 0
                 : wants_window                      ? window_first_
                                                     : task_.tokens;
  const std::size_t layers = size_of(task_.shape.layers);
  scores_.resize(layers);
  seen_.resize(layers);
  similarity_.resize(layers);
  statistics_.resize(layers);
  const std::size_t masses = size_of(task_.shape.kv_heads * task_.tokens);
  for (LayerScores& scores : scores_) {
    scores.tokens = task_.tokens;
    scores.kv_heads = task_.shape.kv_heads;
    scores.window_first = window_first_;
    if (needs.window_tokens > 0) scores.window.resize(masses);
    if (needs.window_tokens > 0 && needs.peak) scores.peak.resize(masses);
    if (needs.accumulated) scores.accumulated.resize(masses);
  }
}

bool ScoreCollector::is_complete(std::int64_t layer) const {
  return seen_[size_of(layer)] == task_.tokens;
}

Status ScoreCollector::check(const LayerQueries& piece) const {
  const CacheShape& shape = task_.shape;
  const auto wrong = [](const std::string& what) {
    return make_error(ErrorCode::kInvalidArgument, "attention to be scored " + what);
  };
  if (piece.layer < 0 || piece.layer >= shape.layers) return wrong("is of no layer of the model");
  if (piece.heads != task_.heads || piece.pages.kv_heads != shape.kv_heads ||
      piece.pages.head_dim != shape.head_dim) {
    return wrong("has another number or size of heads than the model");
  }
  const std::int64_t seen = seen_[size_of(piece.layer)];
  if (piece.last_token <= seen || piece.last_token > task_.tokens || piece.first_token < 0 ||
      piece.first_token > piece.last_token || piece.first_token > std::max(seen, first_token_)) {
    return wrong("does not follow what was seen of its layer before");
  }
  return {};
}

Status ScoreCollector::observe(const LayerQueries& piece) {
  const auto started = std::chrono::steady_clock::now();
  SLUICE_TRY(check(piece));
  const std::int64_t seen = seen_[size_of(piece.layer)];
  Status status = collect(from_position(piece, std::max(seen, first_token_)));
  seen_[size_of(piece.layer)] = piece.last_token;
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return status;
}

Status ScoreCollector::collect(const LayerQueries& piece) {
  const ScoreNeeds& needs = task_.needs;
  const std::size_t layer = size_of(piece.layer);
  LayerScores& scores = scores_[layer];
  if (needs.accumulated) add_mass(piece, task_.tokens, scores.accumulated, nullptr);
  if (needs.window_tokens > 0 || needs.queries) {
    const LayerQueries window = from_position(piece, window_first_);
    if (needs.window_tokens > 0) {
      add_mass(window, task_.tokens, scores.window, needs.peak ? &scores.peak : nullptr);
    }
    if (needs.queries) add_queries(window, scores);
  }
  similarity_[layer] += piece.similarity_sum;
  const bool is_last = piece.last_token == task_.tokens;
  if (is_last && needs.similarity) {
    scores.similarity = static_cast<float>(similarity_[layer] / static_cast<double>(task_.tokens));
  }
  if (!needs.expected) return {};
  auto& statistics = statistics_[layer];
  if (!statistics) {
    statistics = std::make_unique<QueryStatistics>(task_.heads, task_.shape.head_dim);
  }
  statistics->add(piece, task_.shape, rotations(piece.first_token, piece.last_token));
  if (!is_last) return {};
  std::span<const float> gram;
  if (needs.output_norm) {
    if (!task_.output_gram) {
      return make_error(ErrorCode::kInvalidArgument,
                        "a selection needs the attention's output projection, and nobody has it");
    }
    gram = SLUICE_TRY(task_.output_gram(piece.layer));
  }
  statistics->finish(task_.shape, piece.pages, task_.tokens, gram, scores);
  statistics.reset();
  return {};
}

void ScoreCollector::add_queries(const LayerQueries& piece, LayerScores& scores) const {
  const std::int64_t tokens = piece.last_token - piece.first_token;
  const std::int64_t width = task_.heads * task_.shape.head_dim;
  const std::size_t before = scores.queries.size();
  scores.queries.resize(before + size_of(tokens * width));
  convert_rows(tokens, width, piece.queries, {scores.queries.data() + before, DType::kF32, width});
}

// The same positions come in every layer.
const RotationTable& ScoreCollector::rotations(std::int64_t first, std::int64_t last) {
  if (rotations_.first != first || rotations_.last != last) {
    rotations_ = RotationTable::build(task_.shape.rope, first, last);
  }
  return rotations_;
}

}  // namespace sluice::kernels
