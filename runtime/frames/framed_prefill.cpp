// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/framed_prefill.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/core/check.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// The last token's logits are the answer's first. One token more, since products of a single row
// are other kernels, which round differently in FP32; from two rows on none depends on the others.
constexpr std::int64_t kComputedMin = 2;

// Where the plan's parts end, ascending.
std::vector<std::int64_t> part_ends_of(const FramePlan& plan) {
  std::vector<std::int64_t> ends;
  for (const PlannedFrame& frame : plan.frames) {
    if (ends.empty() || ends.back() != frame.last_token) ends.push_back(frame.last_token);
  }
  return ends;
}

}  // namespace

FramedPrefill::FramedPrefill(PrefillEngine& engine, KvPool& kv_pool, KvSequence& sequence,
                             CodecPool& codec_pool, FramedPrompt prompt)
    : engine_(engine),
      kv_pool_(kv_pool),
      sequence_(sequence),
      codec_pool_(codec_pool),
      prompt_(std::move(prompt)) {
  const kernels::ScoreNeeds needs = prompt_.pipeline->score_needs();
  if (!needs.any()) return;
  kernels::ScoreTask task;
  task.needs = needs;
  task.shape = prompt_.pipeline->shape();
  task.heads = engine.spec().heads;
  task.tokens = static_cast<std::int64_t>(prompt_.tokens.size());
  if (prompt_.question_tokens > 0) task.question_first = task.tokens - prompt_.question_tokens;
  task.output_gram = [&engine](std::int64_t layer) { return engine.output_gram(layer); };
  collector_ = std::make_unique<kernels::ScoreCollector>(std::move(task));
}

FramedPrefill::~FramedPrefill() = default;

std::int64_t FramedPrefill::reusable_tokens() const {
  const auto tokens = static_cast<std::int64_t>(prompt_.tokens.size());
  const std::int64_t most = std::max<std::int64_t>(tokens - kComputedMin, 0);
  if (collector_ == nullptr) return most;
  return collector_->wants_similarity() ? 0 : std::min(most, collector_->first_token());
}

// Part by part, which is the order in which frames are to leave.
void FramedPrefill::announce_cached(std::span<const std::int64_t> part_ends) {
  const std::int64_t layers = prompt_.pipeline->shape().layers;
  const auto announce = [&](std::int64_t end) {
    for (std::int64_t layer = 0; layer < layers; ++layer) encoder_->layer_ready(layer, end);
  };
  for (const std::int64_t end : part_ends) {
    if (end < cached_) announce(end);
  }
  if (cached_ > 0) announce(cached_);
}

Status FramedPrefill::compute(std::span<float> logits, const std::function<bool()>& is_cancelled,
                              std::function<void(const MadeFrame&)> on_frame) {
  cached_ = sequence_.tokens;
  SLUICE_CHECK(cached_ >= 0 && cached_ <= reusable_tokens(), "more is reused than can be");
  const std::vector<std::int64_t> ends = part_ends_of(prompt_.plan);
  EncodeRequest request;
  request.pipeline = prompt_.pipeline;
  request.plan = std::move(prompt_.plan);
  request.kv_pool = &kv_pool_;
  request.blocks = sequence_.blocks;
  request.tokens = static_cast<std::int64_t>(prompt_.tokens.size());
  request.seed = prompt_.seed;
  if (collector_ != nullptr) request.scores = collector_->scores();
  request.memory = prompt_.memory;
  request.choose = std::move(prompt_.choose);
  encoder_ = std::make_unique<FrameEncoder>(codec_pool_, std::move(request), std::move(on_frame));

  PrefillObserver observer;
  PrefillHooks hooks([this](std::int64_t layer, std::int64_t, std::int64_t last) {
    encoder_->layer_ready(layer, last);
  });
  if (collector_ != nullptr) {
    observer.first_token = collector_->first_token();
    observer.similarity = collector_->wants_similarity();
    observer.observe = [this](const kernels::LayerQueries& piece) {
      if (!scored_) return;
      scored_ = collector_->observe(piece);
      if (scored_ && collector_->is_complete(piece.layer)) encoder_->layer_scored(piece.layer);
    };
    hooks.observer = &observer;
  }
  announce_cached(ends);
  const std::int64_t started_us = monotonic_us();
  SLUICE_TRY(run_chunks(hooks, logits, is_cancelled));
  costs_.prefill_end_us = monotonic_us();
  costs_.prefill_us = costs_.prefill_end_us - started_us;
  if (collector_ != nullptr) {
    costs_.score_us = static_cast<std::int64_t>(collector_->seconds() * 1e6);
  }
  return {};
}

// Where the engine's next call ends: chunks and parts end where those of a whole computation do, so
// that frames are ready as soon, and sums over a part have the same terms.
std::int64_t FramedPrefill::next_end(std::int64_t first) const {
  const std::int64_t chunk = prompt_.chunk_tokens;
  const std::int64_t chunk_first = first / chunk * chunk;
  std::int64_t end = chunk_first + chunk;
  if (first != chunk_first) {
    const std::int64_t parts = (first - chunk_first) / kPartTokensMax + 1;
    end = std::min(end, chunk_first + parts * kPartTokensMax);
  }
  return std::min(end, static_cast<std::int64_t>(prompt_.tokens.size()));
}

Status FramedPrefill::run_chunks(const PrefillHooks& hooks, std::span<float> logits,
                                 const std::function<bool()>& is_cancelled) {
  const auto tokens = static_cast<std::int64_t>(prompt_.tokens.size());
  for (std::int64_t first = cached_; first < tokens;) {
    if (is_cancelled()) return make_error(ErrorCode::kCancelled, "the request was cancelled");
    const std::int64_t end = next_end(first);
    const auto chunk = prompt_.tokens.subspan(static_cast<std::size_t>(first),
                                              static_cast<std::size_t>(end - first));
    SLUICE_TRY(engine_.prefill(kv_pool_, sequence_, chunk, hooks,
                               end == tokens ? logits : std::span<float>()));
    SLUICE_TRY(scored_);
    first = end;
  }
  return {};
}

Status FramedPrefill::finish(const std::function<bool()>& is_cancelled) {
  const Status finished = encoder_->finish(is_cancelled);
  costs_.encoding = encoder_->totals();
  costs_.exposed_us = std::max<std::int64_t>(0, costs_.encoding.last_us - costs_.prefill_end_us);
  return finished;
}

void FramedPrefill::report(RequestTimeline& timeline) const {
  timeline.pipeline = prompt_.pipeline->name();
  timeline.prompt_tokens = static_cast<std::int64_t>(prompt_.tokens.size());
  timeline.prefill_cached_tokens = cached_;
  timeline.prefill_us = costs_.prefill_us;
  timeline.score_us = costs_.score_us;
  timeline.encode_us = costs_.encoding.encode_us;
  timeline.encode_exposed_us = costs_.exposed_us;
  timeline.kv_bytes_wire = costs_.encoding.frame_bytes;
  if (costs_.encoding.elements > 0) {
    timeline.kept_share = static_cast<double>(costs_.encoding.elements_kept) /
                          static_cast<double>(costs_.encoding.elements);
  }
}

}  // namespace sluice::runtime
