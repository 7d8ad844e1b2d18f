// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/local_generator.hpp"

#include <algorithm>
#include <atomic>

#include "runtime/decode/decode_loop.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/request/check_request.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

struct LocalEngines {
  std::unique_ptr<PrefillEngine> prefill;
  std::unique_ptr<DecodeEngine> decode;
  std::unique_ptr<KvPool> pool;
  std::span<const TokenId> end_tokens;
  RequestLimits limits;
  std::int64_t chunk_tokens = 0;
  std::vector<float> logits;
};

class LocalStream : public GenerateStream {
 public:
  LocalStream(LocalEngines& engines, GenerateRequest request, std::vector<KvBlockId> blocks)
      : engines_(engines), request_(std::move(request)), sequence_{std::move(blocks), 0} {
    timeline_.prompt_tokens = static_cast<std::int64_t>(request_.prompt.size());
  }
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
    const std::int64_t started_us = monotonic_us();
    const std::span<const TokenId> prompt = request_.prompt;
    for (std::size_t first = 0; first < prompt.size();) {
      const std::size_t count =
          std::min(static_cast<std::size_t>(engines_.chunk_tokens), prompt.size() - first);
      const bool is_last = first + count == prompt.size();
      SLUICE_TRY(engines_.prefill->prefill(
          *engines_.pool, sequence_, prompt.subspan(first, count), {},
          is_last ? std::span<float>(engines_.logits) : std::span<float>()));
      first += count;
    }
    timeline_.prefill_us = monotonic_us() - started_us;
    return {};
  }
  Status decode() {
    KvSequence* const sequence = &sequence_;
    return engines_.decode->decode(*engines_.pool, {&sequence, 1}, {&token_, 1}, engines_.logits);
  }

  LocalEngines& engines_;
  GenerateRequest request_;
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
    const auto tokens = static_cast<std::int64_t>(request.prompt.size()) + request.tokens_max;
    auto blocks = SLUICE_TRY(engines_.pool->acquire(kv_blocks_for(tokens)));
    return std::unique_ptr<GenerateStream>(
        std::make_unique<LocalStream>(engines_, std::move(request), std::move(blocks)));
  }

 private:
  LocalEngines engines_;
};

}  // namespace

Result<std::unique_ptr<Generator>> create_local_generator(
    const ModelFile& model, const ClusterConfig& config, std::span<const TokenId> end_tokens,
    const std::function<void(double)>& progress) {
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
  engines.end_tokens = end_tokens;
  engines.limits = {context_tokens_of(model.spec(), config.model.context_tokens),
                    model.spec().vocab};
  engines.chunk_tokens = config.prefill.chunk_tokens;
  engines.logits.resize(static_cast<std::size_t>(model.spec().vocab));
  return std::unique_ptr<Generator>(std::make_unique<LocalGenerator>(std::move(engines)));
}

}  // namespace sluice::runtime
