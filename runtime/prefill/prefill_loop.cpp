// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_loop.hpp"

#include <algorithm>
#include <span>

#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/transfer/checksum.hpp"
#include "runtime/telemetry/clock.hpp"
#include "runtime/frames/kv_pages.hpp"

namespace sluice::runtime {
namespace {

// Gives a sequence's blocks back however the job ends.
class HeldBlocks {
 public:
  HeldBlocks(KvPool& pool, std::vector<KvBlockId> blocks)
      : pool_(pool), blocks_(std::move(blocks)) {}
  ~HeldBlocks() { pool_.release(blocks_); }
  HeldBlocks(const HeldBlocks&) = delete;
  HeldBlocks& operator=(const HeldBlocks&) = delete;

 private:
  KvPool& pool_;
  std::vector<KvBlockId> blocks_;
};

}  // namespace

PrefillLoop::PrefillLoop(const ModelFile& model, const PrefillLoopOptions& options,
                         std::function<void(PrefillEvent)> emit)
    : options_(options), emit_(std::move(emit)), thread_([this, &model] { run(model); }) {}

PrefillLoop::~PrefillLoop() {
  stopping_ = true;
  jobs_.close();
  thread_.join();
}

void PrefillLoop::cancel(RequestId request) { cancels_.push(request); }

bool PrefillLoop::is_cancelled(RequestId request) {
  for (const RequestId id : cancels_.drain()) cancelled_.push_back(id);
  return stopping_ || std::erase(cancelled_, request) != 0;
}

void PrefillLoop::run(const ModelFile& model) {
  const auto load = [&]() -> Status {
    const auto options = SLUICE_TRY(
        engine_options(options_.config.device, options_.config.compute, options_.config.threads));
    engine_ = SLUICE_TRY(PrefillEngine::create(model, options, [this](double done) {
      emit_({0, PrefillEvent::Loaded{done, false, {}}});
    }));
    const auto blocks = kv_blocks_in(options_.shape, options_.config.kv_memory_bytes);
    pool_ = SLUICE_TRY(KvPool::create(options_.shape, blocks));
    return {};
  };
  if (const Status loaded = load(); !loaded) {
    emit_({0, PrefillEvent::Loaded{0.0, false, loaded.error().message}});
    return;
  }
  logits_.resize(static_cast<std::size_t>(engine_->spec().vocab));
  emit_({0, PrefillEvent::Loaded{1.0, true, {}}});
  while (auto job = jobs_.pop()) {
    if (stopping_) return;
    if (Status done = prefill(*job); !done) {
      emit_({job->submit.request, PrefillEvent::Failed{std::move(done).error()}});
    }
    (void)is_cancelled(job->submit.request);  // forgets a cancellation that came too late
  }
}

Status PrefillLoop::prefill(const PrefillJob& job) {
  const std::span<const TokenId> prompt = job.submit.prompt;
  const auto tokens = static_cast<std::int64_t>(prompt.size());
  const FrameLayout layout = FrameLayout::of(options_.shape, tokens);
  KvSequence sequence{SLUICE_TRY(pool_->acquire(kv_blocks_for(tokens))), 0};
  const HeldBlocks held(*pool_, sequence.blocks);

  ManifestMessage manifest;
  RequestTimeline& timeline = manifest.timeline;
  const std::int64_t started_us = monotonic_us();
  timeline.prompt_tokens = tokens;
  timeline.queue_us = started_us - job.arrived_us;
  timeline.kv_bytes_raw = layout.bytes();

  const LayerReady encode = [&](std::int64_t layer, std::int64_t first, std::int64_t last) {
    const std::int64_t encode_started_us = monotonic_us();
    const PagesOfLayer pages(*pool_, sequence.blocks, layer);
    const MutableBytes rows =
        job.staging.subspan(layout.offset_bytes(layer, first),
                            static_cast<std::size_t>(last - first) * layout.row_bytes);
    kernels::pack_kv_rows(pages.view(), first, last, rows.data());
    Piece piece{static_cast<std::int32_t>(layer), 0, first, last, checksum(rows)};
    timeline.encode_us += monotonic_us() - encode_started_us;
    emit_({job.submit.request, PrefillEvent::PieceReady{piece}});
  };
  for (std::int64_t first = 0; first < tokens; first += options_.config.chunk_tokens) {
    if (is_cancelled(job.submit.request)) {
      return make_error(ErrorCode::kCancelled, "the request was cancelled");
    }
    const std::int64_t count = std::min(options_.config.chunk_tokens, tokens - first);
    const bool is_last = first + count == tokens;
    SLUICE_TRY(engine_->prefill(
        *pool_, sequence,
        prompt.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), encode,
        is_last ? std::span<float>(logits_) : std::span<float>()));
  }
  manifest.prefill_end_us = monotonic_us();
  timeline.prefill_us = manifest.prefill_end_us - started_us - timeline.encode_us;
  manifest.request = job.submit.request;
  manifest.prompt_tokens = tokens;
  manifest.tokens_max = job.submit.tokens_max;
  manifest.ignore_end = job.submit.ignore_end;
  manifest.sampling = job.submit.sampling;
  manifest.host = options_.host;
  manifest.first_token = sample(logits_, job.submit.sampling, 0);
  emit_({job.submit.request, PrefillEvent::Finished{std::move(manifest)}});
  return {};
}

}  // namespace sluice::runtime
