// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/prefill_torch.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/eye.h>
#include <omp.h>

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/core/device.hpp"
#include "runtime/engine/torch_forward.hpp"
#include "runtime/engine/torch_guard.hpp"
#include "runtime/engine/torch_weights.hpp"

namespace sluice::runtime {
namespace {

// What goes through the layers at a time: activations are sized by this, however long a prompt is.
constexpr std::int64_t kPieceTokens = 512;

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

class TorchPrefill final : public PrefillEngine {
 public:
  TorchPrefill(TorchWeights weights, int threads, TorchPath path)
      : weights_(std::move(weights)),
        threads_(threads),
        path_(path),
        forward_(path == TorchPath::kFused ? create_fused_forward(weights_)
                                           : create_plain_forward(weights_)) {}

  Status prefill(KvPool& pool, KvSequence& sequence, std::span<const TokenId> tokens,
                 const PrefillHooks& hooks, std::span<float> logits) override {
    if (auto status = check(pool, sequence, tokens, logits); !status) return status;
    const auto count = static_cast<std::int64_t>(tokens.size());
    const bool wants_all = logits.size() == tokens.size() * vocab();
    return guard_torch("computing a prompt", [&]() -> Status {
      // OpenMP keeps the number of threads per calling thread, and any may call.
      at::set_num_threads(threads_);
      for (std::int64_t done = 0; done < count; done += kPieceTokens) {
        const std::int64_t piece = std::min(kPieceTokens, count - done);
        const auto first = static_cast<std::size_t>(done);
        const auto size = static_cast<std::size_t>(piece);
        std::span<float> wanted;
        if (wants_all) {
          wanted = logits.subspan(first * vocab(), size * vocab());
        } else if (done + piece == count) {
          wanted = logits;
        }
        forward_->run({.pool = &pool,
                       .blocks = sequence.blocks,
                       .first_token = sequence.tokens + done,
                       .tokens = tokens.subspan(first, size),
                       .hooks = &hooks,
                       .logits = wanted,
                       .dropped = sequence.dropped});
      }
      sequence.tokens += count;
      return {};
    });
  }

  Result<std::span<const float>> output_gram(std::int64_t layer) override {
    if (layer < 0 || layer >= spec().layers) {
      return invalid("the model has no layer " + std::to_string(layer));
    }
    return guard_torch("reading a projection", [&]() -> Result<std::span<const float>> {
      at::set_num_threads(threads_);
      grams_.resize(weights_.layers.size());
      auto& gram = grams_[static_cast<std::size_t>(layer)];
      if (gram.empty()) gram = compute_gram(layer);
      return std::span<const float>(gram);
    });
  }

  const ModelSpec& spec() const override { return weights_.spec; }
  ComputeType compute() const override { return weights_.compute; }
  std::size_t weight_bytes() const override { return weights_.bytes; }

 private:
  // The projection may exist reordered only: its columns are what it makes of unit vectors.
  std::vector<float> compute_gram(std::int64_t layer) const {
    const std::int64_t heads = spec().heads;
    const std::int64_t dim = spec().head_dim;
    const auto options =
        at::TensorOptions().dtype(torch_type(weights_.compute)).device(weights_.embedding.device());
    const TorchLinear& output = weights_.layers[static_cast<std::size_t>(layer)].attention_output;
    const at::Tensor columns =
        output.apply(at::eye(heads * dim, options)).to(at::kFloat).view({heads, dim, -1});
    const at::Tensor gram = at::bmm(columns, columns.transpose(1, 2)).cpu().contiguous();
    const float* values = gram.const_data_ptr<float>();
    return {values, values + gram.numel()};
  }

  std::size_t vocab() const { return static_cast<std::size_t>(weights_.spec.vocab); }

  Status check_dropped(const KvSequence& sequence, std::size_t tokens) const {
    if (sequence.dropped.empty()) return {};
    const ModelSpec& spec = weights_.spec;
    const auto [least, most] =
        std::minmax_element(sequence.dropped.begin(), sequence.dropped.end());
    if (sequence.dropped.size() != static_cast<std::size_t>(spec.layers * spec.kv_heads) ||
        *least < 0 || *most > sequence.tokens) {
      return invalid("a sequence's dropped rows are not those of its layers, heads and tokens");
    }
    if (tokens == 1 && path_ == TorchPath::kPlain) return {};
    return invalid("a prompt cannot go on where rows of its cache were dropped");
  }

  Status check(const KvPool& pool, const KvSequence& sequence, std::span<const TokenId> tokens,
               std::span<float> logits) const {
    const ModelSpec& spec = weights_.spec;
    const KvShape& shape = pool.shape();
    if (shape.layers != spec.layers || shape.kv_heads != spec.kv_heads ||
        shape.head_dim != spec.head_dim) {
      return invalid("the KV pool was made for a model of another shape");
    }
    if (tokens.empty()) return invalid("there are no tokens to compute");
    if (sequence.tokens < 0) return invalid("a sequence has a negative number of tokens");
    for (const KvBlockId block : sequence.blocks) {
      if (block < 0 || block >= pool.blocks()) return invalid("a KV block is not of the pool");
    }
    const auto end = sequence.tokens + static_cast<std::int64_t>(tokens.size());
    if (end > spec.context_max) {
      return invalid("a sequence of " + std::to_string(end) +
                     " tokens is longer than the model's context of " +
                     std::to_string(spec.context_max));
    }
    SLUICE_TRY(check_dropped(sequence, tokens.size()));
    const auto rows = sequence.rows_max() + static_cast<std::int64_t>(tokens.size());
    if (kv_blocks_for(rows) > static_cast<std::int64_t>(sequence.blocks.size())) {
      return make_error(ErrorCode::kResourceExhausted,
                        "a sequence of " + std::to_string(rows) + " tokens needs " +
                            std::to_string(kv_blocks_for(rows)) + " KV blocks and has " +
                            std::to_string(sequence.blocks.size()));
    }
    for (const TokenId token : tokens) {
      if (token < 0 || token >= spec.vocab) {
        return invalid("token " + std::to_string(token) + " is not in the model's vocabulary of " +
                       std::to_string(spec.vocab));
      }
    }
    if (!logits.empty() && logits.size() != vocab() && logits.size() != tokens.size() * vocab()) {
      return invalid("the logits' buffer fits neither the last token nor all of them");
    }
    return {};
  }

  TorchWeights weights_;
  int threads_;
  TorchPath path_;
  std::unique_ptr<TorchForward> forward_;
  std::vector<std::vector<float>> grams_;  // by layer; empty: not asked for yet
};

}  // namespace

Result<std::unique_ptr<PrefillEngine>> create_prefill_torch(
    const ModelFile& model, const EngineOptions& options, TorchPath path,
    const std::function<void(double)>& progress) {
  if (model.spec().head_dim % 2 != 0) {
    return make_error(ErrorCode::kUnsupported, "heads of " + std::to_string(model.spec().head_dim) +
                                                   " elements are not supported: RoPE turns pairs");
  }
  if (options.device == Device::kCuda && cuda_device_count() == 0) {
    return make_error(ErrorCode::kUnsupported,
                      is_built_with_cuda()
                          ? "the engine is to run on CUDA, and no device is found"
                          : "the engine is to run on CUDA, and this build has none");
  }
  return guard_torch("loading a model", [&]() -> Result<std::unique_ptr<PrefillEngine>> {
    EngineOptions resolved = options;
    resolved.compute = resolve_compute(options);
    if (resolved.threads <= 0) resolved.threads = omp_get_num_procs();
    at::set_num_threads(resolved.threads);
    TorchWeights weights = SLUICE_TRY(TorchWeights::load(model, resolved, kPieceTokens, progress));
    return std::unique_ptr<PrefillEngine>(
        std::make_unique<TorchPrefill>(std::move(weights), resolved.threads, path));
  });
}

Result<std::unique_ptr<PrefillEngine>> PrefillEngine::create(
    const ModelFile& model, const EngineOptions& options,
    const std::function<void(double)>& progress) {
  const TorchPath path = options.device == Device::kCuda ? TorchPath::kPlain : TorchPath::kFused;
  return create_prefill_torch(model, options, path, progress);
}

}  // namespace sluice::runtime
