// SPDX-License-Identifier: Apache-2.0
// The CPU's forward pass: products by oneDNN, everything between them by kernels/elementwise, each
// of which reads and writes an activation once. The residual stream is FP32 in both compute types.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <omp.h>

#include <algorithm>
#include <cstring>

#include "kernels/core/check.hpp"
#include "kernels/elementwise/convert.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/elementwise/rms_norm.hpp"
#include "kernels/elementwise/rope.hpp"
#include "kernels/elementwise/silu_mul.hpp"
#include "kernels/linear/matvec.hpp"
#include "runtime/engine/similarity.hpp"
#include "runtime/engine/torch_attention.hpp"
#include "runtime/engine/torch_forward.hpp"

namespace sluice::runtime {
namespace {

using kernels::Rows;

DType dtype_of(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat ? DType::kF32 : DType::kBF16;
}

// A [rows, width] tensor, from column `column` on.
Rows rows_of(const at::Tensor& tensor, std::int64_t column = 0) {
  auto* data = static_cast<std::byte*>(tensor.data_ptr());
  return {data + column * static_cast<std::int64_t>(tensor.element_size()), dtype_of(tensor),
          tensor.stride(0)};
}

class FusedForward final : public TorchForward {
 public:
  explicit FusedForward(const TorchWeights& weights)
      : weights_(weights),
        spec_(weights.spec),
        rope_(weights),
        is_bf16_attention_(weights.compute == ComputeType::kBF16 && has_bf16_attention()) {}

  void run(const ForwardChunk& chunk) override {
    const auto tokens = static_cast<std::int64_t>(chunk.tokens.size());
    const bool wants_all =
        tokens > 1 && static_cast<std::int64_t>(chunk.logits.size()) == tokens * spec_.vocab;
    const auto plain = at::TensorOptions().dtype(at::kFloat);
    const auto computed = at::TensorOptions().dtype(torch_type(weights_.compute));
    at::Tensor x = at::empty({tokens, spec_.hidden}, plain);
    at::Tensor h = at::empty({tokens, spec_.hidden}, computed);
    kernels::gather_rows(chunk.tokens, spec_.hidden, rows_of(weights_.embedding), rows_of(x));
    kernels::rms_norm(norm(weights_.layers.front().attention_norm), tokens, rows_of(x), rows_of(h));
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
      const TorchLayer& weights = weights_.layers[static_cast<std::size_t>(layer)];
      const at::Tensor qkv = weights.qkv.apply(h);
      store(chunk, layer, qkv);
      std::int64_t first = 0;
      bool is_observed = chunk.observer() != nullptr;
      if (layer + 1 == spec_.layers && !wants_all) {
        // Past the last layer's K and V only the last token's logits are wanted, if any.
        if (is_observed) observe_apart(chunk, layer, qkv, x);
        is_observed = false;
        if (chunk.logits.empty()) return;
        first = tokens - 1;
        x = x.narrow(0, first, 1);
      }
      if (is_observed) lse_.resize(static_cast<std::size_t>(tokens * spec_.heads));
      const at::Tensor attended = weights.attention_output.apply(attend(
          chunk, layer, qkv.narrow(0, first, tokens - first), is_observed ? lse_.data() : nullptr));
      if (is_observed) observe(chunk, layer, qkv, x, attended, lse_.data());
      const bool is_last = layer + 1 == spec_.layers;
      const at::Tensor& next_norm =
          is_last ? weights_.output_norm
                  : weights_.layers[static_cast<std::size_t>(layer + 1)].attention_norm;
      h = feed_forward(weights, attended, next_norm, x, is_last);
    }
    wants_all ? all_logits(h, chunk.logits) : last_logits(h, chunk.logits);
  }

 private:
  kernels::RmsNorm norm(const at::Tensor& weight) const {
    return {weight.const_data_ptr<float>(), spec_.hidden, static_cast<float>(spec_.rms_epsilon)};
  }

  // Rotates Q and K in place, and puts K and V into the pool.
  void store(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& qkv) {
    const auto tokens = static_cast<std::int64_t>(chunk.tokens.size());
    const RopeTable& table = rope_.reaching(chunk.first_token + tokens);
    kernels::apply_rope({.is_interleaved = spec_.rope.style == RopeStyle::kInterleaved,
                         .tokens = tokens,
                         .heads = spec_.heads + spec_.kv_heads,
                         .head_dim = spec_.head_dim,
                         .pairs = table.pairs(),
                         .cos = table.cos(chunk.first_token),
                         .sin = table.sin(chunk.first_token)},
                        rows_of(qkv));
    const std::int64_t key_column = spec_.heads * spec_.head_dim;
    kernels::store_kv(kv_pages_of(chunk, layer, starts_),
                      {.first_token = chunk.first_token,
                       .tokens = tokens,
                       .k = rows_of(qkv, key_column),
                       .v = rows_of(qkv, key_column + spec_.kv_width())});
    if (chunk.hooks != nullptr && chunk.hooks->layer_ready) {
      chunk.hooks->layer_ready(layer, chunk.first_token, chunk.first_token + tokens);
    }
  }

  // `qkv`: the rows of the chunk's last tokens. `lse`: null, or a value for each and each head.
  at::Tensor attend(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& qkv,
                    float* lse) {
    const std::int64_t tokens = qkv.size(0);
    at::Tensor out = at::empty({tokens, spec_.heads * spec_.head_dim}, qkv.options());
    attend_chunk({.pages = kv_pages_of(chunk, layer, starts_),
                  .first_token = chunk.last_token() - tokens,
                  .tokens = tokens,
                  .heads = spec_.heads,
                  .queries = rows_of(qkv),
                  .out = rows_of(out),
                  .lse = lse},
                 is_bf16_attention_);
    return out;
  }

  // `qkv`, `x`, `attended` and `lse` are of all the chunk's tokens; `attended` may be undefined if
  // no similarity is asked for, and `lse` may begin at the first watched token's row only.
  void observe(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& qkv,
               const at::Tensor& x, const at::Tensor& attended, const float* lse) {
    const std::int64_t first = chunk.first_watched();
    const std::int64_t skipped = first - chunk.first_token;
    kernels::LayerQueries queries{.layer = layer,
                                  .first_token = first,
                                  .last_token = chunk.last_token(),
                                  .heads = spec_.heads,
                                  .queries = rows_of(qkv),
                                  .lse = lse + skipped * spec_.heads,
                                  .pages = kv_pages_of(chunk, layer, starts_)};
    queries.queries.data = static_cast<const std::byte*>(queries.queries.data) +
                           skipped * qkv.stride(0) * static_cast<std::int64_t>(qkv.element_size());
    if (chunk.observer()->similarity) {
      queries.similarity_tokens = x.size(0);
      queries.similarity_sum =
          similarity_sum(x.size(0), spec_.hidden, x.const_data_ptr<float>(), rows_of(attended));
    }
    chunk.observer()->observe(queries);
  }

  // Where attention itself is not wanted for all tokens: what the observer asks for, no more.
  void observe_apart(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& qkv,
                     const at::Tensor& x) {
    const std::int64_t tokens = qkv.size(0);
    const std::int64_t skipped =
        chunk.observer()->similarity ? 0 : chunk.first_watched() - chunk.first_token;
    lse_.resize(static_cast<std::size_t>(tokens * spec_.heads));
    at::Tensor attended;
    if (skipped < tokens) {
      attended = attend(chunk, layer, qkv.narrow(0, skipped, tokens - skipped),
                        lse_.data() + skipped * spec_.heads);
      if (chunk.observer()->similarity) {
        const TorchLayer& weights = weights_.layers[static_cast<std::size_t>(layer)];
        attended = weights.attention_output.apply(attended);
      }
    }
    observe(chunk, layer, qkv, x, attended, lse_.data());
  }

  // Adds the attention's and the feed-forward's outputs to `x`, and normalises it for what is next.
  at::Tensor feed_forward(const TorchLayer& layer, const at::Tensor& attended,
                          const at::Tensor& next_norm, at::Tensor& x, bool is_last) const {
    const std::int64_t tokens = x.size(0);
    at::Tensor h = at::empty({tokens, spec_.hidden}, attended.options());
    kernels::add_rms_norm(norm(layer.ffn_norm), tokens, rows_of(attended), rows_of(x), rows_of(h));
    at::Tensor activated = at::empty({tokens, spec_.ffn}, attended.options());
    kernels::silu_mul(tokens, spec_.ffn, rows_of(layer.gate_up.apply(h)), rows_of(activated));
    const at::Tensor output = layer.down.apply(activated);
    // The logits' products take FP32: a rounded BF16 logit would tie with its neighbours.
    if (is_last) h = at::empty({tokens, spec_.hidden}, x.options());
    kernels::add_rms_norm(norm(next_norm), tokens, rows_of(output), rows_of(x), rows_of(h));
    return h;
  }

  void last_logits(const at::Tensor& h, std::span<float> logits) const {
    const float* x = h.const_data_ptr<float>() + (h.size(0) - 1) * spec_.hidden;
    const TensorView output{.data = static_cast<const std::byte*>(weights_.output.const_data_ptr()),
                            .dtype = dtype_of(weights_.output),
                            .rank = 2,
                            .shape = {spec_.vocab, spec_.hidden}};
#pragma omp parallel
    {
      const std::int64_t threads = omp_get_num_threads();
      const std::int64_t thread = omp_get_thread_num();
      const std::int64_t first = spec_.vocab * thread / threads;
      const std::int64_t last = spec_.vocab * (thread + 1) / threads;
      if (first < last) {
        kernels::matvec(output, {first, last}, {x, 1}, logits.data() + first, spec_.vocab);
      }
    }
  }

  // In slabs of the vocabulary, so that the FP32 copy of the weights stays small.
  void all_logits(const at::Tensor& h, std::span<float> logits) const {
    constexpr std::int64_t kSlabRows = 4096;
    const std::int64_t tokens = h.size(0);
    at::Tensor out = at::from_blob(logits.data(), {tokens, spec_.vocab}, h.options());
    for (std::int64_t row = 0; row < spec_.vocab; row += kSlabRows) {
      const std::int64_t rows = std::min(kSlabRows, spec_.vocab - row);
      const at::Tensor slab = weights_.output.narrow(0, row, rows).to(at::kFloat);
      out.narrow(1, row, rows).copy_(at::mm(h, slab.t()));
    }
  }

  const TorchWeights& weights_;
  const ModelSpec& spec_;
  GrowingRope rope_;
  bool is_bf16_attention_;
  std::vector<std::byte*> starts_;  // of the current layer's blocks
  std::vector<float> lse_;          // of the current piece, where somebody watches
};

}  // namespace

std::unique_ptr<TorchForward> create_fused_forward(const TorchWeights& weights) {
  return std::make_unique<FusedForward>(weights);
}

}  // namespace sluice::runtime
