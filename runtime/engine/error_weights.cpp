// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/error_weights.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <utility>

#include "kernels/linear/dequantize.hpp"
#include "runtime/engine/rope.hpp"
#include "runtime/engine/torch_guard.hpp"

namespace sluice::runtime {
namespace {

// The first tokens take attention that has nothing to do with what they say.
constexpr std::int64_t kSinkTokens = 4;
// Draws of a continuation's tokens: the gradient pass is dear beside a draw's.
constexpr std::int64_t kDraws = 2;

at::Tensor load_weight(const ModelFile& model, WeightRole role, std::int64_t layer) {
  const auto view = model.weight(role, layer);
  if (!view) return {};
  const std::int64_t rows = kernels::weight_rows(*view);
  const std::int64_t columns = kernels::weight_columns(*view);
  at::Tensor weight = at::empty({rows, columns}, at::kFloat);
  kernels::dequantize(*view, 0, rows, weight.data_ptr<float>());
  return rows == 1 ? weight.squeeze(0) : weight;
}

struct Linear {
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }
};

struct Layer {
  at::Tensor attention_norm, ffn_norm;
  Linear query, key, value, output, gate, up, down;
};

class Meter final : public ErrorWeightMeter {
 public:
  explicit Meter(const ModelFile& model)
      : spec_(model.spec()),
        rope_(RopeTable::build(spec_, model.weight(WeightRole::kRopeFactors), spec_.context_max)),
        embedding_(load_weight(model, WeightRole::kTokenEmbedding, 0)),
        output_norm_(load_weight(model, WeightRole::kOutputNorm, 0)),
        output_(spec_.tied_embeddings ? embedding_ : load_weight(model, WeightRole::kOutput, 0)) {
    const std::int64_t width = spec_.kv_width();
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
      const auto load = [&](WeightRole role) { return load_weight(model, role, layer); };
      layers_.push_back({load(WeightRole::kAttentionNorm),
                         load(WeightRole::kFfnNorm),
                         {load(WeightRole::kQuery), load(WeightRole::kQueryBias)},
                         {load(WeightRole::kKey), load(WeightRole::kKeyBias)},
                         {load(WeightRole::kValue), load(WeightRole::kValueBias)},
                         {load(WeightRole::kAttentionOutput), {}},
                         {load(WeightRole::kGate), {}},
                         {load(WeightRole::kUp), {}},
                         {load(WeightRole::kDown), {}}});
      for (auto& sums : sums_) sums.push_back(at::zeros({width, width}, at::kDouble));
    }
  }

  Status observe(std::span<const kernels::KvPages> pages, std::int64_t context_tokens,
                 std::span<const TokenId> continuation, std::uint64_t seed) override {
    const auto count = static_cast<std::int64_t>(continuation.size());
    if (static_cast<std::int64_t>(pages.size()) != spec_.layers || context_tokens <= kSinkTokens ||
        count == 0 || context_tokens + count > spec_.context_max) {
      return make_error(ErrorCode::kInvalidArgument,
                        "error weights need a cache of more than " + std::to_string(kSinkTokens) +
                            " tokens, tokens that follow it, and room for both in the context");
    }
    return guard_torch_gradients("computing gradients", [&]() -> Status {
      const at::AutoGradMode with_gradients(true);
      // Small products: a team's barriers cost more than its second thread brings.
      const int threads_before = at::get_num_threads();
      at::set_num_threads(1);
      const auto restore = std::shared_ptr<void>(
          nullptr, [threads_before](void*) { at::set_num_threads(threads_before); });
      return observe_guarded(pages, context_tokens, continuation, seed);
    });
  }

  Result<ErrorWeights> finish() const override {
    if (observed_ == 0) {
      return make_error(ErrorCode::kInvalidArgument, "no error weights were observed");
    }
    double diagonal = 0.0;
    for (const auto& sums : sums_) {
      for (const at::Tensor& sum : sums) diagonal += sum.diagonal().mean().item<double>();
    }
    const double scale = 2.0 * static_cast<double>(spec_.layers) / diagonal;
    ErrorWeights weights;
    for (std::size_t half = 0; half < 2; ++half) {
      for (const at::Tensor& sum : sums_[half]) {
        const at::Tensor scaled = (sum * scale).to(at::kFloat).contiguous();
        const auto* first = scaled.const_data_ptr<float>();
        (half == 0 ? weights.key : weights.value).emplace_back(first, first + scaled.numel());
      }
    }
    return weights;
  }

 private:
  Status observe_guarded(std::span<const kernels::KvPages> pages, std::int64_t context_tokens,
                         std::span<const TokenId> continuation, std::uint64_t seed) {
    const auto count = static_cast<std::int64_t>(continuation.size());
    std::vector<at::Tensor> leaves;
    for (const kernels::KvHalf half : {kernels::KvHalf::kKey, kernels::KvHalf::kValue}) {
      for (const kernels::KvPages& of_layer : pages) {
        at::Tensor leaf = gather(of_layer, half, context_tokens);
        if (half == kernels::KvHalf::kKey) leaf = rotate(leaf, 0, /*is_inverse=*/true);
        leaves.push_back(leaf.detach().requires_grad_(true));
      }
    }
    const at::Tensor log_likelihood = at::log_softmax(run(leaves, context_tokens, continuation), 1);
    at::Generator generator = at::detail::createCPUGenerator(seed);
    const at::Tensor drawn =
        at::multinomial(log_likelihood.detach().exp(), kDraws, /*replacement=*/true, generator);
    for (std::int64_t draw = 0; draw < kDraws; ++draw) {
      const at::Tensor loss = -log_likelihood.gather(1, drawn.narrow(1, draw, 1)).sum();
      const auto gradients = torch::autograd::grad({loss}, leaves, {}, draw + 1 < kDraws);
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        const at::Tensor rows = gradients[i]
                                    .narrow(0, kSinkTokens, context_tokens - kSinkTokens)
                                    .reshape({-1, spec_.kv_width()});
        const auto layer = i % layers_.size();
        sums_[i / layers_.size()][layer] +=
            rows.t().mm(rows).to(at::kDouble) / static_cast<double>(count);
      }
    }
    ++observed_;
    return {};
  }

  // [tokens, kv_heads, head_dim] FP32.
  at::Tensor gather(const kernels::KvPages& pages, kernels::KvHalf half,
                    std::int64_t tokens) const {
    at::Tensor heads = at::empty({spec_.kv_heads, tokens, spec_.head_dim}, at::kFloat);
    kernels::gather_kv(pages, half, tokens, {heads.data_ptr(), DType::kF32, spec_.head_dim});
    return heads.transpose(0, 1).contiguous();
  }

  // `heads`: [tokens, heads, head_dim], the first of position `first`.
  at::Tensor rotate(const at::Tensor& heads, std::int64_t first, bool is_inverse) const {
    const std::int64_t tokens = heads.size(0);
    const std::int64_t pairs = rope_.pairs();
    const auto angles = [&](const float* rows) {
      return at::from_blob(const_cast<float*>(rows), {tokens, 1, pairs}, at::kFloat).clone();
    };
    const at::Tensor cos = angles(rope_.cos(first));
    at::Tensor sin = angles(rope_.sin(first));
    if (is_inverse) sin = -sin;
    const at::Tensor turning = heads.narrow(2, 0, 2 * pairs);
    const bool is_interleaved = spec_.rope.style == RopeStyle::kInterleaved;
    const at::Tensor split = is_interleaved ? turning.unflatten(2, {pairs, 2}).movedim(3, 0)
                                            : turning.unflatten(2, {2, pairs}).movedim(2, 0);
    const at::Tensor a = split[0] * cos - split[1] * sin;
    const at::Tensor b = split[1] * cos + split[0] * sin;
    const at::Tensor turned = is_interleaved ? at::stack({a, b}, 3).flatten(2) : at::cat({a, b}, 2);
    const std::int64_t rest = spec_.head_dim - 2 * pairs;
    return rest == 0 ? turned : at::cat({turned, heads.narrow(2, 2 * pairs, rest)}, 2);
  }

  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const {
    return x * at::rsqrt(x.square().mean({-1}, true) + spec_.rms_epsilon) * weight;
  }

  // Logits [continuation, vocab]; `leaves`: K before RoPE of every layer, then V.
  at::Tensor run(const std::vector<at::Tensor>& leaves, std::int64_t first,
                 std::span<const TokenId> continuation) const {
    const auto count = static_cast<std::int64_t>(continuation.size());
    const at::Tensor ids =
        at::from_blob(const_cast<TokenId*>(continuation.data()), {count}, at::kInt).clone();
    at::Tensor x = at::embedding(embedding_, ids);
    const at::Tensor row = at::arange(first, first + count, at::kLong);
    const at::Tensor hidden = at::arange(first + count, at::kLong).unsqueeze(0) > row.unsqueeze(1);
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
      const Layer& weights = layers_[layer];
      const at::Tensor h = norm(x, weights.attention_norm);
      const auto heads = [&](const Linear& linear, std::int64_t of) {
        return linear(h).view({count, of, spec_.head_dim});
      };
      const at::Tensor query = rotate(heads(weights.query, spec_.heads), first, false);
      const at::Tensor key = at::cat({rotate(leaves[layer], 0, false),
                                      rotate(heads(weights.key, spec_.kv_heads), first, false)});
      const at::Tensor value =
          at::cat({leaves[layers_.size() + layer], heads(weights.value, spec_.kv_heads)});
      x = x + weights.output(attend(query, key, value, hidden));
      const at::Tensor f = norm(x, weights.ffn_norm);
      x = x + weights.down(at::silu(weights.gate(f)) * weights.up(f));
    }
    return at::linear(norm(x, output_norm_), output_);
  }

  at::Tensor attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    const at::Tensor& hidden) const {
    const std::int64_t group = spec_.heads / spec_.kv_heads;
    const at::Tensor q = query.transpose(0, 1);
    const at::Tensor k = key.transpose(0, 1).repeat_interleave(group, 0);
    const at::Tensor v = value.transpose(0, 1).repeat_interleave(group, 0);
    const double scale = 1.0 / std::sqrt(static_cast<double>(spec_.head_dim));
    const at::Tensor scores = at::matmul(q, k.transpose(1, 2)) * scale;
    const at::Tensor weights = at::softmax(scores.masked_fill(hidden, -INFINITY), 2);
    return at::matmul(weights, v).transpose(0, 1).reshape({query.size(0), -1});
  }

  const ModelSpec spec_;
  const RopeTable rope_;
  at::Tensor embedding_;
  at::Tensor output_norm_;
  at::Tensor output_;
  std::vector<Layer> layers_;
  std::vector<at::Tensor> sums_[2];  // of K and of V, by layer, FP64
  std::int64_t observed_ = 0;
};

}  // namespace

Result<std::unique_ptr<ErrorWeightMeter>> ErrorWeightMeter::create(const ModelFile& model) {
  return guard_torch_gradients(
      "loading a model", [&]() -> Result<std::unique_ptr<ErrorWeightMeter>> {
        return std::unique_ptr<ErrorWeightMeter>(std::make_unique<Meter>(model));
      });
}

}  // namespace sluice::runtime
