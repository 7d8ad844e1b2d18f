// SPDX-License-Identifier: Apache-2.0
// The forward pass of plain LibTorch operators: what CUDA runs, and what the fused pass is tested
// against. K and V go to the pool in host memory, and come back from it for later chunks.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "kernels/elementwise/convert.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "runtime/engine/similarity.hpp"
#include "runtime/engine/torch_forward.hpp"

namespace sluice::runtime {
namespace {

class PlainForward final : public TorchForward {
 public:
  explicit PlainForward(const TorchWeights& weights)
      : weights_(weights), spec_(weights.spec), rope_(weights) {}

  void run(const ForwardChunk& chunk) override {
    const auto tokens = static_cast<std::int64_t>(chunk.tokens.size());
    const at::Device device = weights_.embedding.device();
    const at::Tensor ids =
        at::from_blob(const_cast<TokenId*>(chunk.tokens.data()), {tokens}, at::kInt).to(device);
    at::Tensor x = at::embedding(weights_.embedding, ids).to(at::kFloat);
    const auto [cos, sin] = angles(chunk.first_token, tokens, device);
    for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
      const TorchLayer& weights = weights_.layers[static_cast<std::size_t>(layer)];
      const at::Tensor qkv = weights.qkv.apply(norm(x, weights.attention_norm));
      const auto parts = qkv.view({tokens, -1, spec_.head_dim})
                             .split_with_sizes({spec_.heads, spec_.kv_heads, spec_.kv_heads}, 1);
      const at::Tensor queries = rotate(parts[0], cos, sin);
      store(chunk, layer, rotate(parts[1], cos, sin), parts[2]);
      const at::Tensor attended = weights.attention_output.apply(attend(chunk, layer, queries));
      if (chunk.observer() != nullptr) observe(chunk, layer, queries, x, attended);
      x = x + attended;
      const auto gate_up = weights.gate_up.apply(norm(x, weights.ffn_norm)).chunk(2, 1);
      x = x + weights.down.apply(at::silu(gate_up[0]) * gate_up[1]);
    }
    if (!chunk.logits.empty()) write_logits(x, chunk.logits);
  }

 private:
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const {
    const at::Tensor mean = x.square().mean({-1}, true);
    return (x * at::rsqrt(mean + spec_.rms_epsilon) * weight).to(torch_type(weights_.compute));
  }

  // [tokens, 1, pairs] each.
  std::pair<at::Tensor, at::Tensor> angles(std::int64_t first, std::int64_t tokens,
                                           at::Device device) {
    const RopeTable& table = rope_.reaching(first + tokens);
    const auto move = [&](const float* rows) {
      return at::from_blob(const_cast<float*>(rows), {tokens, 1, table.pairs()}, at::kFloat)
          .to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    };
    return {move(table.cos(first)), move(table.sin(first))};
  }

  // `heads`: [tokens, heads, head_dim].
  at::Tensor rotate(const at::Tensor& heads, const at::Tensor& cos, const at::Tensor& sin) const {
    const std::int64_t pairs = cos.size(2);
    const at::Tensor turning = heads.narrow(2, 0, 2 * pairs).to(at::kFloat);
    const bool is_interleaved = spec_.rope.style == RopeStyle::kInterleaved;
    const at::Tensor split = is_interleaved ? turning.unflatten(2, {pairs, 2}).movedim(3, 0)
                                            : turning.unflatten(2, {2, pairs}).movedim(2, 0);
    const at::Tensor a = split[0] * cos - split[1] * sin;
    const at::Tensor b = split[1] * cos + split[0] * sin;
    at::Tensor turned = is_interleaved ? at::stack({a, b}, 3).flatten(2) : at::cat({a, b}, 2);
    turned = turned.to(heads.scalar_type());
    const std::int64_t rest = spec_.head_dim - 2 * pairs;
    return rest == 0 ? turned : at::cat({turned, heads.narrow(2, 2 * pairs, rest)}, 2);
  }

  void store(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& keys,
             const at::Tensor& values) {
    const std::int64_t tokens = keys.size(0);
    // A copy to the host waits for the device.
    const at::Tensor k = keys.cpu().contiguous();
    const at::Tensor v = values.cpu().contiguous();
    const DType dtype = k.scalar_type() == at::kFloat ? DType::kF32 : DType::kBF16;
    const kernels::KvPages pages = kv_pages_of(chunk, layer, starts_);
    if (!chunk.dropped.empty()) {
      append_row(chunk, pages, layer, {{k.const_data_ptr(), dtype, spec_.head_dim}, 0});
      append_row(chunk, pages, layer, {{v.const_data_ptr(), dtype, spec_.head_dim}, 1});
      return;
    }
    kernels::store_kv(pages, {.first_token = chunk.first_token,
                              .tokens = tokens,
                              .k = {k.const_data_ptr(), dtype, spec_.kv_width()},
                              .v = {v.const_data_ptr(), dtype, spec_.kv_width()}});
    if (chunk.hooks != nullptr && chunk.hooks->layer_ready) {
      chunk.hooks->layer_ready(layer, chunk.first_token, chunk.first_token + tokens);
    }
  }

  // Rows that `head` of `layer` has with this chunk.
  std::int64_t rows_of(const ForwardChunk& chunk, std::int64_t layer, std::int64_t head) const {
    if (chunk.dropped.empty()) return chunk.last_token();
    return chunk.last_token() -
           chunk.dropped[static_cast<std::size_t>(layer * spec_.kv_heads + head)];
  }
  std::int64_t rows_max(const ForwardChunk& chunk, std::int64_t layer) const {
    std::int64_t most = 0;
    for (std::int64_t head = 0; head < spec_.kv_heads; ++head) {
      most = std::max(most, rows_of(chunk, layer, head));
    }
    return most;
  }

  // One token's row of each head, behind those that the head has.
  struct HeadRows {
    kernels::ConstRows heads;
    std::int64_t half;  // 0: keys, 1: values
  };
  void append_row(const ForwardChunk& chunk, const kernels::KvPages& pages, std::int64_t layer,
                  const HeadRows& from) const {
    const std::size_t from_bytes =
        static_cast<std::size_t>(spec_.head_dim) * dtype_block_bytes(from.heads.dtype);
    const std::size_t row_bytes = static_cast<std::size_t>(spec_.head_dim) * pages.element_bytes;
    for (std::int64_t head = 0; head < spec_.kv_heads; ++head) {
      const std::int64_t row = rows_of(chunk, layer, head) - 1;
      const std::int64_t within =
          (from.half * spec_.kv_heads + head) * kKvBlockTokens + row % kKvBlockTokens;
      std::byte* to = pages.blocks[static_cast<std::size_t>(row / kKvBlockTokens)] +
                      static_cast<std::size_t>(within) * row_bytes;
      const auto* values = static_cast<const std::byte*>(from.heads.data) +
                           static_cast<std::size_t>(head) * from_bytes;
      kernels::convert_rows(1, spec_.head_dim, {values, from.heads.dtype, spec_.head_dim},
                            {to, kernels::kv_pages_dtype(pages), spec_.head_dim});
    }
  }

  // [1, heads, positions, head_dim], each K or V head repeated for its queries.
  at::Tensor gather(const ForwardChunk& chunk, std::int64_t layer, kernels::KvHalf half,
                    const at::Tensor& like) {
    const std::int64_t end = rows_max(chunk, layer);
    const bool is_f32 = weights_.compute == ComputeType::kF32;
    at::Tensor host = at::empty({1, spec_.kv_heads, end, spec_.head_dim},
                                at::TensorOptions().dtype(torch_type(weights_.compute)));
    kernels::gather_kv(kv_pages_of(chunk, layer, starts_), half, end,
                       {host.data_ptr(), is_f32 ? DType::kF32 : DType::kBF16, spec_.head_dim});
    // What lies behind a short head's rows is hidden from scores, but a NaN would still show.
    for (std::int64_t head = 0; head < spec_.kv_heads && !chunk.dropped.empty(); ++head) {
      const std::int64_t rows = rows_of(chunk, layer, head);
      host.select(1, head).narrow(1, rows, end - rows).zero_();
    }
    return host.to(like.device()).repeat_interleave(spec_.heads / spec_.kv_heads, 1);
  }

  // [1, heads, 1, positions]: whether the head has that row.
  at::Tensor rows_mask(const ForwardChunk& chunk, std::int64_t layer,
                       const at::Tensor& like) const {
    const std::int64_t end = rows_max(chunk, layer);
    at::Tensor mask = at::empty({1, spec_.kv_heads, 1, end}, at::TensorOptions().dtype(at::kBool));
    for (std::int64_t head = 0; head < spec_.kv_heads; ++head) {
      const std::int64_t rows = rows_of(chunk, layer, head);
      mask.select(1, head).narrow(2, 0, rows).fill_(true);
      mask.select(1, head).narrow(2, rows, end - rows).fill_(false);
    }
    return mask.to(like.device()).repeat_interleave(spec_.heads / spec_.kv_heads, 1);
  }

  // `queries`: [tokens, heads, head_dim].
  at::Tensor attend(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& queries) {
    const std::int64_t tokens = queries.size(0);
    const at::Tensor q = queries.transpose(0, 1).unsqueeze(0);
    const at::Tensor k = gather(chunk, layer, kernels::KvHalf::kKey, queries);
    const at::Tensor v = gather(chunk, layer, kernels::KvHalf::kValue, queries);
    std::optional<at::Tensor> mask;
    if (!chunk.dropped.empty()) {
      mask = rows_mask(chunk, layer, queries);
    } else if (chunk.first_token > 0) {
      const auto options = at::TensorOptions().device(queries.device()).dtype(at::kLong);
      const at::Tensor row = at::arange(chunk.first_token, chunk.first_token + tokens, options);
      const at::Tensor column = at::arange(chunk.first_token + tokens, options);
      mask = column.unsqueeze(0) <= row.unsqueeze(1);
    }
    const at::Tensor out = at::scaled_dot_product_attention(q, k, v, mask, 0.0, !mask.has_value());
    return out.squeeze(0).transpose(0, 1).reshape({tokens, spec_.heads * spec_.head_dim});
  }

  // The scores of the watched queries over again, one head at a time: [watched tokens][positions].
  // `queries`: [tokens, heads, head_dim]. Gives [watched tokens, heads] FP32 on the host.
  at::Tensor log_sums(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& queries) {
    const std::int64_t watched = chunk.last_token() - chunk.first_watched();
    at::Tensor sums = at::empty({watched, spec_.heads}, at::TensorOptions().dtype(at::kFloat));
    if (watched == 0) return sums;
    const at::Tensor keys = gather(chunk, layer, kernels::KvHalf::kKey, queries).squeeze(0);
    const auto options = at::TensorOptions().device(queries.device()).dtype(at::kLong);
    const at::Tensor row = at::arange(chunk.first_watched(), chunk.last_token(), options);
    const at::Tensor column = at::arange(chunk.last_token(), options);
    const at::Tensor hidden = column.unsqueeze(0) > row.unsqueeze(1);
    const double scale = 1.0 / std::sqrt(static_cast<double>(spec_.head_dim));
    for (std::int64_t head = 0; head < spec_.heads; ++head) {
      const at::Tensor q = queries.select(1, head).narrow(0, queries.size(0) - watched, watched);
      const at::Tensor scores = at::mm(q.to(at::kFloat), keys[head].to(at::kFloat).t()) * scale;
      sums.select(1, head).copy_(
          at::logsumexp(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), {1}));
    }
    return sums;
  }

  void observe(const ForwardChunk& chunk, std::int64_t layer, const at::Tensor& queries,
               const at::Tensor& x, const at::Tensor& attended) {
    const at::Tensor lse = log_sums(chunk, layer, queries);
    const at::Tensor host =
        queries.narrow(0, queries.size(0) - lse.size(0), lse.size(0)).cpu().contiguous();
    const bool is_f32 = host.scalar_type() == at::kFloat;
    kernels::LayerQueries seen{
        .layer = layer,
        .first_token = chunk.first_watched(),
        .last_token = chunk.last_token(),
        .heads = spec_.heads,
        .queries = {host.const_data_ptr(), is_f32 ? DType::kF32 : DType::kBF16,
                    spec_.heads * spec_.head_dim},
        .lse = lse.const_data_ptr<float>(),
        .pages = kv_pages_of(chunk, layer, starts_)};
    if (chunk.observer()->similarity) {
      const at::Tensor before = x.cpu().contiguous();
      const at::Tensor added = attended.to(at::kFloat).cpu().contiguous();
      seen.similarity_tokens = before.size(0);
      seen.similarity_sum =
          similarity_sum(before.size(0), spec_.hidden, before.const_data_ptr<float>(),
                         {added.const_data_ptr(), DType::kF32, spec_.hidden});
    }
    chunk.observer()->observe(seen);
  }

  void write_logits(const at::Tensor& x, std::span<float> logits) const {
    const auto rows = static_cast<std::int64_t>(logits.size()) / spec_.vocab;
    const at::Tensor last = x.narrow(0, x.size(0) - rows, rows);
    at::Tensor out = at::from_blob(logits.data(), {rows, spec_.vocab}, at::kFloat);
    const at::Tensor h = norm(last, weights_.output_norm).to(at::kFloat);
    out.copy_(at::linear(h, weights_.output.to(at::kFloat)));
  }

  const TorchWeights& weights_;
  const ModelSpec& spec_;
  GrowingRope rope_;
  std::vector<std::byte*> starts_;  // of the current layer's blocks
};

}  // namespace

std::unique_ptr<TorchForward> create_plain_forward(const TorchWeights& weights) {
  return std::make_unique<PlainForward>(weights);
}

}  // namespace sluice::runtime
