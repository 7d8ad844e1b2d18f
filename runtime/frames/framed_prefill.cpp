// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/framed_prefill.hpp"

#include <algorithm>
#include <utility>

#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
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

Status FramedPrefill::compute(std::span<float> logits, const std::function<bool()>& is_cancelled,
                              std::function<void(const MadeFrame&)> on_frame) {
  EncodeRequest request;
  request.pipeline = prompt_.pipeline;
  request.plan = std::move(prompt_.plan);
  request.kv_pool = &kv_pool_;
  request.blocks = sequence_.blocks;
  request.tokens = static_cast<std::int64_t>(prompt_.tokens.size());
  request.seed = prompt_.seed;
  if (collector_ != nullptr) request.scores = collector_->scores();
  request.memory = prompt_.memory;
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
  const std::int64_t started_us = monotonic_us();
  SLUICE_TRY(run_chunks(hooks, logits, is_cancelled));
  costs_.prefill_end_us = monotonic_us();
  costs_.prefill_us = costs_.prefill_end_us - started_us;
  if (collector_ != nullptr) {
    costs_.score_us = static_cast<std::int64_t>(collector_->seconds() * 1e6);
  }
  return {};
}

Status FramedPrefill::run_chunks(const PrefillHooks& hooks, std::span<float> logits,
                                 const std::function<bool()>& is_cancelled) {
  const auto chunk = static_cast<std::size_t>(prompt_.chunk_tokens);
  for (std::size_t first = 0; first < prompt_.tokens.size(); first += chunk) {
    if (is_cancelled()) return make_error(ErrorCode::kCancelled, "the request was cancelled");
    const std::size_t count = std::min(chunk, prompt_.tokens.size() - first);
    const bool is_last = first + count == prompt_.tokens.size();
    SLUICE_TRY(engine_.prefill(kv_pool_, sequence_, prompt_.tokens.subspan(first, count), hooks,
                               is_last ? logits : std::span<float>()));
    SLUICE_TRY(scored_);
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
