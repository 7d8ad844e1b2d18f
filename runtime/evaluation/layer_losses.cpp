// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/layer_losses.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/evaluation/continuation.hpp"
#include "runtime/evaluation/log_rows.hpp"

namespace sluice::runtime {
namespace {

using PipelinePointer = std::unique_ptr<const kernels::Pipeline>;

Result<AnswerLoss> loss_of(const Reference& reference, const DumpedCache& cache,
                           DecodeEngine& engine) {
  std::vector<TokenId> fed = reference.given;
  fed.insert(fed.end(), reference.answer.begin(), reference.answer.end() - 1);
  const auto more = static_cast<std::int64_t>(fed.size());
  const auto pool =
      SLUICE_TRY(KvPool::create(kv_shape_of(engine.spec()), blocks_after(cache, more)));
  auto sequence = SLUICE_TRY(place_cache({cache, {}}, more, *pool));
  const auto rows = SLUICE_TRY(
      rows_along(engine, *pool, sequence, fed, static_cast<std::int64_t>(reference.answer.size())));
  const auto found = compare_rows(reference.answer_rows, rows, reference.answer);
  return AnswerLoss{found.kl, found.nll, found.top1};
}

// All mixes of one item at one width, shared out among threads.
class ItemRun {
 public:
  ItemRun(const Reference& reference, const DumpedCache& quantized, std::span<const LayerMix> mixes)
      : reference_(reference), quantized_(quantized), mixes_(mixes), losses_(mixes.size()) {}

  // `measured` is called now and then on this thread, with how many are.
  Status run(std::span<const std::unique_ptr<DecodeEngine>> engines,
             const std::function<bool(std::int64_t)>& measured) {
    std::vector<std::thread> threads;
    working_ = engines.size();
    for (const auto& engine : engines) threads.emplace_back([&] { work(*engine); });
    std::unique_lock lock(mutex_);
    for (std::int64_t seen = 0; working_ > 0;) {
      changed_.wait(lock, [&] { return done_ != seen || working_ == 0; });
      seen = done_;
      lock.unlock();
      if (!measured(seen)) stopped_ = true;
      lock.lock();
    }
    lock.unlock();
    for (std::thread& thread : threads) thread.join();
    measured(done_);
    if (failure_) return *failure_;
    if (stopped_) return make_error(ErrorCode::kCancelled, "the diagnosis was stopped");
    return {};
  }

  const std::vector<AnswerLoss>& losses() const { return losses_; }

 private:
  void work(DecodeEngine& engine) {
    MixedCache mixed(reference_.cache, quantized_);
    for (std::size_t i = next_++; i < mixes_.size() && !stopped_; i = next_++) {
      auto loss = loss_of(reference_, mixed.set(mixes_[i]), engine);
      const std::lock_guard lock(mutex_);
      ++done_;
      if (loss) {
        losses_[i] = *loss;
      } else {
        failure_ = std::make_unique<Error>(loss.error());
        stopped_ = true;
      }
      changed_.notify_one();
    }
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_one();
  }

  const Reference& reference_;
  const DumpedCache& quantized_;
  const std::span<const LayerMix> mixes_;
  std::vector<AnswerLoss> losses_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t working_ = 0;  // threads
  std::int64_t done_ = 0;
  std::unique_ptr<Error> failure_;
};

// What measures, made once.
struct Engines {
  std::unique_ptr<PrefillEngine> prefill;
  std::vector<std::unique_ptr<DecodeEngine>> decode;  // one a thread
};

Result<Engines> make_engines(const EvaluationModel& model, int threads) {
  Engines engines;
  const auto options = SLUICE_TRY(engine_options("cpu", "auto", threads));
  engines.prefill = SLUICE_TRY(PrefillEngine::create(*model.file, options, {}));
  const int count =
      threads > 0 ? threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (int i = 0; i < count; ++i) {
    engines.decode.push_back(SLUICE_TRY(DecodeEngine::create(*model.file, {.threads = 1})));
  }
  return engines;
}

Error about(const EvaluationItem& item, const Error& error) {
  return make_error(error.code, "item " + item.id + " of " + item.task + ": " + error.message);
}

LayerMix mix_of(std::int64_t layers, QuantizedPart part) {
  return LayerMix(static_cast<std::size_t>(layers), part);
}

}  // namespace

Result<std::vector<MixLosses>> measure_mixes(std::span<const EvaluationItem> items,
                                             const EvaluationModel& model,
                                             std::span<const int> bits,
                                             std::span<const LayerMix> mixes,
                                             const LayerLossOptions& options) {
  const kernels::CacheShape shape = cache_shape_of(*model.file);
  std::vector<PipelinePointer> quantizers;
  for (const int width : bits) {
    quantizers.push_back(
        SLUICE_TRY(kernels::Pipeline::create(layer_quantizer(width), shape, nullptr)));
  }
  const Engines engines = SLUICE_TRY(make_engines(model, options.threads));
  std::vector<MixLosses> found(bits.size());
  for (MixLosses& losses : found) losses.mixes.resize(mixes.size());
  const auto per_run = static_cast<std::int64_t>(mixes.size());
  const auto total = static_cast<std::int64_t>(items.size() * bits.size()) * per_run;
  std::int64_t before = 0;
  const auto measured = [&](std::int64_t done) {
    if (options.progress) options.progress(before + done, total);
    return !options.is_cancelled || !options.is_cancelled();
  };
  std::vector<std::int64_t> frame_bytes(bits.size(), 0);
  std::int64_t elements = 0;
  for (const EvaluationItem& item : items) {
    if (!measured(0)) return make_error(ErrorCode::kCancelled, "the diagnosis was stopped");
    const auto reference = make_reference(item, model, *engines.prefill, *engines.decode.front());
    if (!reference) return about(item, reference.error());
    elements += reference->cache.tokens() * shape.layers * shape.kv_heads * shape.head_dim * 2;
    for (std::size_t width = 0; width < bits.size(); ++width) {
      const auto quantized = quantize_cache(reference->cache, *quantizers[width]);
      if (!quantized) return about(item, quantized.error());
      frame_bytes[width] += quantized->frame_bytes;
      ItemRun run(*reference, quantized->cache, mixes);
      if (const Status done = run.run(engines.decode, measured); !done) {
        return about(item, done.error());
      }
      before += per_run;
      for (std::size_t i = 0; i < mixes.size(); ++i) {
        found[width].mixes[i].push_back(run.losses()[i]);
      }
    }
  }
  for (std::size_t width = 0; width < bits.size(); ++width) {
    found[width].bits_per_element = 8.0 * static_cast<double>(frame_bytes[width]) /
                                    static_cast<double>(std::max<std::int64_t>(elements, 1));
  }
  return found;
}

Result<std::vector<LayerLosses>> measure_layer_losses(std::span<const EvaluationItem> items,
                                                      const EvaluationModel& model,
                                                      std::span<const int> bits,
                                                      const LayerLossOptions& options) {
  const std::int64_t layers = model.file->spec().layers;
  std::vector<LayerMix> mixes{mix_of(layers, QuantizedPart::kNone),
                              mix_of(layers, QuantizedPart::kBoth)};
  for (const QuantizedPart part :
       {QuantizedPart::kBoth, QuantizedPart::kKey, QuantizedPart::kValue}) {
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer) {
      mixes.push_back(mix_of(layers, QuantizedPart::kNone));
      mixes.back()[layer] = part;
    }
  }
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer) {
    mixes.push_back(mix_of(layers, QuantizedPart::kBoth));
    mixes.back()[layer] = QuantizedPart::kNone;
  }
  auto measured = SLUICE_TRY(measure_mixes(items, model, bits, mixes, options));
  std::vector<LayerLosses> found;
  for (std::size_t width = 0; width < bits.size(); ++width) {
    LayerLosses losses;
    losses.bits = bits[width];
    losses.bits_per_element = measured[width].bits_per_element;
    auto next = measured[width].mixes.begin();
    losses.none = std::move(*next++);
    losses.all = std::move(*next++);
    for (auto* part : {&losses.alone, &losses.key, &losses.value, &losses.but}) {
      part->assign(std::make_move_iterator(next), std::make_move_iterator(next + layers));
      next += layers;
    }
    found.push_back(std::move(losses));
  }
  return found;
}

Result<std::vector<ItemLosses>> measure_exact_layers(std::span<const EvaluationItem> items,
                                                     const EvaluationModel& model, int bits,
                                                     std::span<const std::int32_t> worst,
                                                     const LayerLossOptions& options) {
  std::vector<LayerMix> mixes;
  LayerMix mix = mix_of(model.file->spec().layers, QuantizedPart::kBoth);
  for (const std::int32_t layer : worst) {
    mix[static_cast<std::size_t>(layer)] = QuantizedPart::kNone;
    mixes.push_back(mix);
  }
  auto measured = SLUICE_TRY(measure_mixes(items, model, {&bits, 1}, mixes, options));
  return std::move(measured.front().mixes);
}

}  // namespace sluice::runtime
