// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/prefill_cache.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "kernels/elementwise/convert.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/select/score_collector.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/frames/kv_pages.hpp"

namespace sluice::runtime {
namespace {

// Copies the window's queries and log-sums out of what prefill shows.
class WindowKeeper {
 public:
  WindowKeeper(std::int64_t layers, std::int64_t first_token, std::int64_t head_dim)
      : windows_(static_cast<std::size_t>(layers)),
        first_token_(first_token),
        head_dim_(head_dim) {}

  void keep(const kernels::LayerQueries& piece) {
    const std::int64_t first = std::max(piece.first_token, first_token_);
    if (first >= piece.last_token) return;
    DumpedWindow& window = windows_[static_cast<std::size_t>(piece.layer)];
    const std::int64_t rows = piece.last_token - first;
    const std::int64_t width = piece.heads * head_dim_;
    const auto element = static_cast<std::int64_t>(dtype_block_bytes(piece.queries.dtype));
    const auto* from = static_cast<const std::byte*>(piece.queries.data) +
                       (first - piece.first_token) * piece.queries.stride * element;
    const std::size_t before = window.queries.size();
    window.queries.resize(before + static_cast<std::size_t>(rows * width));
    kernels::convert_rows(rows, width, {from, piece.queries.dtype, piece.queries.stride},
                          {window.queries.data() + before, DType::kF32, width});
    const float* lse = piece.lse + (first - piece.first_token) * piece.heads;
    window.lse.insert(window.lse.end(), lse, lse + rows * piece.heads);
  }
  std::vector<DumpedWindow> take() { return std::move(windows_); }

 private:
  std::vector<DumpedWindow> windows_;
  std::int64_t first_token_;
  std::int64_t head_dim_;
};

void copy_pages(KvPool& pool, const KvSequence& sequence, DumpedCache& cache) {
  const kernels::CacheShape& shape = cache.shape();
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    const PagesOfLayer pages(pool, sequence.blocks, layer);
    std::byte* to = cache.pages(layer).blocks[0];
    const std::int64_t half = shape.kv_heads * cache.tokens() * shape.head_dim;
    for (const auto which : {kernels::KvHalf::kKey, kernels::KvHalf::kValue}) {
      kernels::gather_kv(pages.view(), which, cache.tokens(), {to, DType::kBF16, shape.head_dim});
      to += half * 2;
    }
  }
}

}  // namespace

Result<DumpedCache> prefill_cache(PrefillEngine& engine, const ModelFile& model,
                                  std::span<const TokenId> prompt,
                                  const PrefillCacheOptions& options) {
  const ModelSpec& spec = engine.spec();
  const auto tokens = static_cast<std::int64_t>(prompt.size());
  if (tokens == 0) return make_error(ErrorCode::kInvalidArgument, "the prompt is empty");
  const std::int64_t behind = options.repeat ? repeated_tokens(*options.repeat, tokens) : 0;
  const auto pool = SLUICE_TRY(KvPool::create(kv_shape_of(spec), kv_blocks_for(tokens + behind)));
  KvSequence sequence{SLUICE_TRY(pool->acquire(kv_blocks_for(tokens))), 0, {}};

  kernels::ScoreTask task;
  task.shape = cache_shape_of(model);
  task.heads = spec.heads;
  task.tokens = tokens;
  task.output_gram = [&engine](std::int64_t layer) { return engine.output_gram(layer); };
  if (options.all_scores) {
    task.needs.accumulated = true;
    task.needs.expected = true;
    task.needs.output_norm = true;
    task.needs.similarity = true;
  }
  DumpedCache cache(task.shape, spec.heads, tokens);
  kernels::ScoreCollector collector(task);
  const std::int64_t window_first = std::max<std::int64_t>(0, tokens - options.window_tokens);
  WindowKeeper windows(spec.layers, window_first, spec.head_dim);
  Status observed;
  PrefillObserver observer;
  observer.first_token = options.all_scores ? 0 : window_first;
  observer.similarity = collector.wants_similarity();
  observer.observe = [&](const kernels::LayerQueries& piece) {
    windows.keep(piece);
    if (options.all_scores && observed) observed = collector.observe(piece);
  };
  for (std::int64_t first = 0; first < tokens; first += options.chunk_tokens) {
    const std::int64_t count = std::min(options.chunk_tokens, tokens - first);
    SLUICE_TRY(engine.prefill(
        *pool, sequence,
        prompt.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
        PrefillHooks({}, &observer), {}));
    SLUICE_TRY(observed);
  }
  copy_pages(*pool, sequence, cache);
  cache.windows = windows.take();
  if (options.all_scores) {
    cache.scores.assign(collector.scores().begin(), collector.scores().end());
  }
  if (options.repeat != nullptr) {
    auto found =
        SLUICE_TRY(reconstruction_scores(engine, *pool, sequence, prompt, *options.repeat));
    cache.scores.resize(found.size());
    for (std::size_t layer = 0; layer < found.size(); ++layer) {
      kernels::LayerScores& scores = cache.scores[layer];
      scores.tokens = tokens;
      scores.kv_heads = spec.kv_heads;
      scores.reconstruction = std::move(found[layer]);
    }
  }
  pool->release(sequence.blocks);
  return cache;
}

Result<std::vector<kernels::LayerScores>> scores_of(const DumpedCache& cache,
                                                    const kernels::ScoreNeeds& needs,
                                                    std::int64_t question_tokens) {
  const auto missing = [](const char* what) {
    return make_error(ErrorCode::kInvalidArgument,
                      std::string("the dumped cache does not hold ") + what +
                          ", which this pipeline selects by: dump it again");
  };
  std::vector<kernels::LayerScores> scores = cache.scores;
  scores.resize(static_cast<std::size_t>(cache.shape().layers));
  const bool has_tokens = cache.tokens() > 0;
  if (has_tokens && scores.front().accumulated.empty() &&
      (needs.accumulated || needs.expected || needs.similarity || needs.output_norm)) {
    return missing("the scores of the whole prompt");
  }
  if (has_tokens && scores.front().reconstruction.empty() && needs.reconstruction) {
    return missing("the scores of the prompt's repetition");
  }
  kernels::ScoreTask task;
  task.needs.window_tokens = needs.window_tokens;
  task.needs.question = needs.question;
  task.needs.peak = needs.peak;
  task.needs.queries = needs.queries;
  task.shape = cache.shape();
  task.heads = cache.heads();
  task.tokens = cache.tokens();
  if (question_tokens > 0) {
    task.question_first = std::max<std::int64_t>(0, cache.tokens() - question_tokens);
  }
  if (!task.needs.any()) return scores;
  kernels::ScoreCollector collector(task);
  for (std::int64_t layer = 0; layer < cache.shape().layers; ++layer) {
    if (cache.windows.empty()) return missing("the last queries");
    const DumpedWindow& window = cache.windows[static_cast<std::size_t>(layer)];
    const std::int64_t width = cache.heads() * cache.shape().head_dim;
    const std::int64_t first =
        cache.tokens() - static_cast<std::int64_t>(window.lse.size()) / cache.heads();
    if (first > collector.first_token()) return missing("enough of the last queries");
    kernels::LayerQueries piece;
    piece.layer = layer;
    piece.first_token = first;
    piece.last_token = cache.tokens();
    piece.heads = cache.heads();
    piece.queries = {window.queries.data(), DType::kF32, width};
    piece.lse = window.lse.data();
    piece.pages = cache.pages(layer);
    SLUICE_TRY(collector.observe(piece));
    kernels::LayerScores& of_layer = scores[static_cast<std::size_t>(layer)];
    kernels::LayerScores found = collector.scores()[static_cast<std::size_t>(layer)];
    of_layer.tokens = found.tokens;
    of_layer.kv_heads = found.kv_heads;
    of_layer.window_first = found.window_first;
    of_layer.window = std::move(found.window);
    of_layer.peak = std::move(found.peak);
    of_layer.queries = std::move(found.queries);
  }
  return scores;
}

}  // namespace sluice::runtime
