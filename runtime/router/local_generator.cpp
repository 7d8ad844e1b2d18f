// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/local_generator.hpp"

#include <atomic>
#include <mutex>
#include <utility>

#include "runtime/decode/finish_after.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/frames/frame_decode.hpp"
#include "runtime/frames/framed_prefill.hpp"
#include "runtime/frames/kept_rows.hpp"
#include "runtime/request/check_request.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

struct LocalEngines {
  std::unique_ptr<PrefillEngine> prefill;
  std::unique_ptr<DecodeEngine> decode;
  std::unique_ptr<KvPool> pool;
  PipelineSet* pipelines = nullptr;
  std::unique_ptr<CodecPool> codec_pool;
  kernels::Scratch scratch;
  std::span<const TokenId> end_tokens;
  RequestLimits limits;
  std::int64_t chunk_tokens = 0;
  std::vector<float> logits;
};

class LocalStream : public GenerateStream {
 public:
  LocalStream(LocalEngines& engines, GenerateRequest request, PipelineSet::PipelinePointer pipeline,
              std::vector<KvBlockId> blocks)
      : engines_(engines),
        request_(std::move(request)),
        pipeline_(std::move(pipeline)),
        sequence_{std::move(blocks), 0} {}
  ~LocalStream() override { engines_.pool->release(sequence_.blocks); }
  LocalStream(const LocalStream&) = delete;
  LocalStream& operator=(const LocalStream&) = delete;

  Result<GenerateEvent> next() override {
    if (cancelled_) return make_error(ErrorCode::kCancelled, "the request was cancelled");
    if (over_) return make_error(ErrorCode::kInvalidArgument, "the answer has ended already");
    SLUICE_TRY(produced_ == 0 ? prefill() : decode());
    token_ = sample(engines_.logits, request_.sampling, produced_);
    ++produced_;
    const FinishReason finish = finish_after(token_, produced_, request_.tokens_max,
                                             request_.ignore_end, engines_.end_tokens);
    over_ = finish != FinishReason::kNone;
    timeline_.output_tokens = produced_;
    timeline_.total_us = monotonic_us() - submitted_us_;
    if (produced_ == 1) timeline_.first_token_us = timeline_.total_us;
    return GenerateEvent{token_, finish};
  }
  void cancel() override { cancelled_ = true; }
  RequestTimeline timeline() const override { return timeline_; }

 private:
  Status prefill() {
    const auto tokens = static_cast<std::int64_t>(request_.prompt.size());
    FramePlan plan = plan_frames(*pipeline_, tokens, engines_.chunk_tokens);
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(plan.bytes);
    const MutableBytes bytes(memory.get(), plan.bytes);
    std::mutex mutex;
    std::vector<MadeFrame> frames;
    FramedPrefill prefill(*engines_.prefill, *engines_.pool, sequence_, *engines_.codec_pool,
                          {.tokens = request_.prompt,
                           .question_tokens = request_.question_tokens,
                           .seed = request_.sampling.seed,
                           .chunk_tokens = engines_.chunk_tokens,
                           .pipeline = pipeline_,
                           .plan = std::move(plan),
                           .memory = bytes});
    SLUICE_TRY(prefill.compute(
        engines_.logits, [this] { return cancelled_.load(); },
        [&](const MadeFrame& frame) {
          const std::lock_guard lock(mutex);
          frames.push_back(frame);
        }));
    SLUICE_TRY(prefill.finish());
    prefill.report(timeline_);
    timeline_.kv_bytes_raw =
        engines_.pool->shape().bytes_per_token() * static_cast<std::size_t>(tokens);
    return unpack(frames, bytes);
  }
  // The frames replace what they were made of: attention reads what a decode worker would.
  Status unpack(const std::vector<MadeFrame>& frames, Bytes memory) {
    const std::int64_t started_us = monotonic_us();
    const KvShape& shape = engines_.pool->shape();
    KeptRows kept(shape.layers, shape.kv_heads, sequence_.tokens);
    for (const MadeFrame& frame : frames) {
      SLUICE_TRY(kept.claim(frame.place));
      const auto info = SLUICE_TRY(decode_frame(
          engines_.pipelines->decoder(), memory.subspan(frame.place.offset, frame.bytes), frame,
          *engines_.pool, sequence_.blocks, engines_.scratch));
      SLUICE_TRY(kept.keep(info));
    }
    SLUICE_CHECK(kept.is_complete(), "the frames do not make up the prompt");
    sequence_.dropped = kept.dropped();
    timeline_.unpack_us = monotonic_us() - started_us;
    timeline_.decode_us = timeline_.unpack_us;
    return {};
  }
  Status decode() {
    KvSequence* const sequence = &sequence_;
    return engines_.decode->decode(*engines_.pool, {&sequence, 1}, {&token_, 1}, engines_.logits);
  }

  LocalEngines& engines_;
  GenerateRequest request_;
  PipelineSet::PipelinePointer pipeline_;
  KvSequence sequence_;
  const std::int64_t submitted_us_ = monotonic_us();
  std::atomic<bool> cancelled_ = false;
  bool over_ = false;
  TokenId token_ = 0;
  std::int64_t produced_ = 0;
  RequestTimeline timeline_;
};

class LocalGenerator : public Generator {
 public:
  explicit LocalGenerator(LocalEngines engines) : engines_(std::move(engines)) {}

  Result<std::unique_ptr<GenerateStream>> submit(GenerateRequest request) override {
    SLUICE_TRY(check_request(request, engines_.limits));
    auto pipeline = SLUICE_TRY(engines_.pipelines->find(request.pipeline));
    const auto tokens = static_cast<std::int64_t>(request.prompt.size()) + request.tokens_max;
    auto blocks = SLUICE_TRY(engines_.pool->acquire(kv_blocks_for(tokens)));
    return std::unique_ptr<GenerateStream>(std::make_unique<LocalStream>(
        engines_, std::move(request), std::move(pipeline), std::move(blocks)));
  }

 private:
  LocalEngines engines_;
};

}  // namespace

Result<std::unique_ptr<Generator>> create_local_generator(
    const ModelFile& model, const ClusterConfig& config, PipelineSet& pipelines,
    std::span<const TokenId> end_tokens, const std::function<void(double)>& progress) {
  LocalEngines engines;
  const auto prefill_options = SLUICE_TRY(
      engine_options(config.prefill.device, config.prefill.compute, config.prefill.threads));
  engines.prefill = SLUICE_TRY(PrefillEngine::create(model, prefill_options, progress));
  const auto decode_options =
      SLUICE_TRY(engine_options(config.decode.device, "auto", config.decode.threads));
  engines.decode = SLUICE_TRY(DecodeEngine::create(model, decode_options));
  const KvShape shape = kv_shape_of(model.spec());
  engines.pool =
      SLUICE_TRY(KvPool::create(shape, kv_blocks_in(shape, config.decode.kv_memory_bytes)));
  engines.pipelines = &pipelines;
  engines.codec_pool = std::make_unique<CodecPool>(config.pipeline.encode_threads);
  engines.end_tokens = end_tokens;
  engines.limits = {context_tokens_of(model.spec(), config.model.context_tokens),
                    model.spec().vocab};
  engines.chunk_tokens = config.prefill.chunk_tokens;
  engines.logits.resize(static_cast<std::size_t>(model.spec().vocab));
  return std::unique_ptr<Generator>(std::make_unique<LocalGenerator>(std::move(engines)));
}

}  // namespace sluice::runtime
