// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/prefill_loop.hpp"

#include <utility>

#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// More jobs do not wait: their staging memory is taken.
constexpr std::size_t kCancelledMax = 4096;

// A prompt's place in the pool. However its job ends, what was computed is kept for later prompts,
// and the rest is given back.
class Place {
 public:
  Place(KvPool& pool, PrefixCache& cache, std::span<const PrefixHash> hashes)
      : pool_(pool), cache_(cache), hashes_(hashes) {}
  ~Place() {
    keep();
    pool_.release(sequence_.blocks);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  Status open(std::int64_t reusable, std::int64_t tokens) {
    sequence_ = SLUICE_TRY(cache_.open(hashes_, reusable, tokens));
    return {};
  }
  KvSequence& sequence() { return sequence_; }
  // Once.
  void keep() {
    const auto hashes = std::exchange(hashes_, {});
    if (hashes.empty()) return;
    const auto whole = static_cast<std::size_t>(sequence_.tokens / cache_.block_tokens());
    cache_.insert(hashes.first(whole), sequence_.blocks);
  }

 private:
  KvPool& pool_;
  PrefixCache& cache_;
  std::span<const PrefixHash> hashes_;
  KvSequence sequence_;
};

Error cancelled() { return make_error(ErrorCode::kCancelled, "the request was cancelled"); }

PrefillEvent::PieceReady piece_of(const MadeFrame& frame) {
  const PlannedFrame& place = frame.place;
  Piece piece;
  piece.range = place.range();
  piece.first_token = place.first_token;
  piece.last_token = place.last_token;
  piece.offset_bytes = place.offset;
  piece.bytes = frame.bytes;
  piece.checksum = frame.checksum;
  return {piece, place.bytes_max, frame.encode_us, frame.pipeline};
}

PipelineChoice choice_of(const PrefillJob& job) {
  if (job.steering == nullptr) return {};
  return [&job](const PlannedFrame& frame, double computed_share) {
    return job.steering->choose(frame, computed_share, monotonic_us());
  };
}

}  // namespace

PrefillLoop::PrefillLoop(const ModelFile& model, const PrefillLoopOptions& options,
                         std::function<void(PrefillEvent)> emit)
    : options_(options),
      emit_(std::move(emit)),
      codec_pool_(options.encode_threads),
      thread_([this, &model] { run(model); }) {}

PrefillLoop::~PrefillLoop() {
  stopping_ = true;
  jobs_.close();
  thread_.join();
}

void PrefillLoop::submit(PrefillJob job) {
  {
    const std::lock_guard lock(mutex_);
    queued_.insert(job.submit.request);
  }
  jobs_.push(std::move(job));
}

void PrefillLoop::cancel(RequestId request) {
  if (!begin(request)) return cancels_.push(request);
  emit_({request, PrefillEvent::Failed{cancelled()}});
}

// False when the job has begun or ended.
bool PrefillLoop::begin(RequestId request) {
  const std::lock_guard lock(mutex_);
  return queued_.erase(request) != 0;
}

bool PrefillLoop::is_cancelled(RequestId request) {
  for (const RequestId id : cancels_.drain()) cancelled_.push_back(id);
  while (cancelled_.size() > kCancelledMax) cancelled_.erase(cancelled_.begin());  // had ended
  return stopping_ || std::erase(cancelled_, request) != 0;
}

Status PrefillLoop::load(const ModelFile& model) {
  const auto options = SLUICE_TRY(
      engine_options(options_.config.device, options_.config.compute, options_.config.threads));
  engine_ = SLUICE_TRY(PrefillEngine::create(model, options, [this](double done) {
    emit_({0, PrefillEvent::Loaded{done, false, {}}});
  }));
  const auto blocks = kv_blocks_in(options_.shape, options_.config.kv_memory_bytes);
  pool_ = SLUICE_TRY(KvPool::create(options_.shape, blocks));
  cache_ = SLUICE_TRY(PrefixCache::create(*pool_, options_.prefix_block_tokens));
  return {};
}

void PrefillLoop::run(const ModelFile& model) {
  if (const Status loaded = load(model); !loaded) {
    emit_({0, PrefillEvent::Loaded{0.0, false, loaded.error().message}});
    return;
  }
  logits_.resize(static_cast<std::size_t>(engine_->spec().vocab));
  emit_({0, PrefillEvent::Loaded{1.0, true, {}}});
  while (auto job = jobs_.pop()) {
    if (stopping_) return;
    if (!begin(job->submit.request)) continue;  // cancelled
    if (Status done = prefill(*job); !done) {
      emit_({job->submit.request, PrefillEvent::Failed{std::move(done).error()}});
    }
    tell_prefixes();
    (void)is_cancelled(job->submit.request);  // forgets a cancellation that came too late
  }
}

void PrefillLoop::tell_prefixes() {
  auto changes = cache_->take_changes();
  if (changes.empty()) return;
  emit_({0, PrefillEvent::Prefixes{{std::move(changes.stored), std::move(changes.evicted)}}});
}

Status PrefillLoop::prefill(const PrefillJob& job) {
  const auto tokens = static_cast<std::int64_t>(job.submit.prompt.size());
  const RequestId request = job.submit.request;
  const auto hashes = block_hashes(job.submit.prompt, cache_->block_tokens(), 0);
  Place place(*pool_, *cache_, hashes);

  ManifestMessage manifest;
  manifest.timeline.queue_us = monotonic_us() - job.arrived_us;
  FramedPrefill prefill(*engine_, *pool_, place.sequence(), codec_pool_,
                        {.tokens = job.submit.prompt,
                         .question_tokens = job.submit.question_tokens,
                         .seed = job.submit.sampling.seed,
                         .chunk_tokens = options_.config.chunk_tokens,
                         .pipeline = job.pipeline,
                         .plan = job.plan,
                         .memory = job.staging,
                         .choose = choice_of(job)});
  SLUICE_TRY(place.open(prefill.reusable_tokens(), tokens));
  const auto is_cancelled_now = [&] { return is_cancelled(request); };
  SLUICE_TRY(prefill.compute(logits_, is_cancelled_now, [this, &job](const MadeFrame& frame) {
    if (job.steering != nullptr) job.steering->made(frame);
    emit_({job.submit.request, piece_of(frame)});
  }));
  place.keep();
  tell_prefixes();
  manifest.first_token = sample(logits_, job.submit.sampling, 0);
  SLUICE_TRY(prefill.finish(is_cancelled_now));
  if (is_cancelled_now()) return cancelled();
  prefill.report(manifest.timeline);
  manifest.timeline.kv_bytes_raw =
      options_.shape.bytes_per_token() * static_cast<std::size_t>(tokens);
  manifest.prefill_end_us = prefill.costs().prefill_end_us;
  manifest.request = request;
  manifest.prompt_tokens = tokens;
  manifest.tokens_max = job.submit.tokens_max;
  manifest.ignore_end = job.submit.ignore_end;
  manifest.sampling = job.submit.sampling;
  manifest.host = options_.host;
  emit_({request, PrefillEvent::Finished{std::move(manifest)}});
  return {};
}

}  // namespace sluice::runtime
