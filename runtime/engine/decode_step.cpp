// SPDX-License-Identifier: Apache-2.0
// Phases of a layer, each shared out by the team and closed by a barrier: a head's projection with
// RoPE and the append to the cache; attention; its output projection; gate and up; down. Norms are
// so short that every member computes them for itself. No sum crosses two items, so the number of
// threads changes no bit.
#include "runtime/engine/decode_step.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/linear/dequantize.hpp"
#include "kernels/linear/elementwise.hpp"

namespace sluice::runtime {
namespace {

// Rows of a matrix that one item takes at most: some 20 KB of weights, tens of microseconds.
constexpr std::int64_t kItemRowsMax = 64;
// Enough items that members finish close together when one is held up.
constexpr std::int64_t kItemsPerMember = 8;

std::size_t floats(std::int64_t count) { return static_cast<std::size_t>(count); }

std::int64_t splits_for(std::int64_t tokens) {
  return (tokens + kernels::kSplitTokens - 1) / kernels::kSplitTokens;
}

}  // namespace

DecodeStep::DecodeStep(const ModelSpec& spec, const DecodeWeights& weights, int threads)
    : spec_(spec),
      weights_(weights),
      team_(threads),
      hidden_(floats(kDecodeBatchMax * spec.hidden)),
      queries_(floats(kDecodeBatchMax * spec.heads * spec.head_dim)),
      attended_(queries_.size()),
      gated_(floats(kDecodeBatchMax * spec.ffn)),
      splits_left_(new std::atomic<std::int64_t>[floats(kDecodeBatchMax * spec.kv_heads)]),
      scratch_(floats(team_.size())) {
  group_ = {.heads = spec.heads / spec.kv_heads,
            .head_dim = spec.head_dim,
            .block_tokens = kKvBlockTokens,
            .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.head_dim)))};
  for (Scratch& scratch : scratch_) {
    scratch.normed.resize(hidden_.size());
    scratch.rows.resize(floats(2 * kDecodeBatchMax * std::max(kItemRowsMax, spec.head_dim)));
  }
}

std::int64_t DecodeStep::position(std::int64_t sequence) const {
  return batch_.sequences[floats(sequence)]->tokens;
}

// Before this step's token.
std::int64_t DecodeStep::rows(std::int64_t sequence, std::int64_t layer,
                              std::int64_t kv_head) const {
  return batch_.sequences[floats(sequence)]->rows(floats(layer * spec_.kv_heads + kv_head));
}

std::int64_t DecodeStep::splits(std::int64_t sequence, std::int64_t layer,
                                std::int64_t kv_head) const {
  return splits_for(rows(sequence, layer, kv_head) + 1);
}

std::int64_t DecodeStep::items_of(std::int64_t rows) const {
  const std::int64_t width = item_rows(0, rows).last;
  return (rows + width - 1) / width;
}

kernels::RowRange DecodeStep::item_rows(std::int64_t item, std::int64_t rows) const {
  const std::int64_t share = rows / (kItemsPerMember * team_.size());
  const std::int64_t width = std::clamp<std::int64_t>(share / 4 * 4, 4, kItemRowsMax);
  return {std::min(item * width, rows), std::min((item + 1) * width, rows)};
}

void DecodeStep::prepare(const DecodeBatch& batch) {
  batch_ = batch;
  count_ = static_cast<std::int64_t>(batch.sequences.size());
  group_.dtype = batch.pool->shape().dtype;
  splits_max_ = 0;
  attention_items_.clear();
  item_ranges_.assign(floats(spec_.layers), {});
  const bool is_ragged =
      std::any_of(batch.sequences.begin(), batch.sequences.end(),
                  [](const KvSequence* sequence) { return !sequence->dropped.empty(); });
  for (std::int64_t layer = 0; layer < (is_ragged ? spec_.layers : 1); ++layer) list_items(layer);
  if (!is_ragged) std::fill(item_ranges_.begin(), item_ranges_.end(), item_ranges_.front());
  for (std::int64_t m = 0; m < count_; ++m) {
    for (std::int64_t head = 0; head < spec_.kv_heads; ++head) {
      splits_left_[floats(m * spec_.kv_heads + head)].store(splits(m, 0, head),
                                                            std::memory_order_relaxed);
    }
  }
  const std::int64_t partials = count_ * spec_.kv_heads * splits_max_;
  const std::size_t wanted = floats(partials * kernels::partial_floats(group_));
  if (partials_.size() < wanted) partials_.resize(wanted);
}

void DecodeStep::list_items(std::int64_t layer) {
  const std::size_t first = attention_items_.size();
  for (std::int64_t m = 0; m < count_; ++m) {
    for (std::int64_t head = 0; head < spec_.kv_heads; ++head) {
      const std::int64_t count = splits(m, layer, head);
      splits_max_ = std::max(splits_max_, count);
      for (std::int64_t i = 0; i < count; ++i) {
        attention_items_.push_back({static_cast<std::int32_t>(m), static_cast<std::int32_t>(head),
                                    static_cast<std::int32_t>(i)});
      }
    }
  }
  item_ranges_[floats(layer)] = {first, static_cast<std::int64_t>(attention_items_.size() - first)};
}

void DecodeStep::run(const DecodeBatch& batch, const RopeTable& rope) {
  prepare(batch);
  team_.run([&](int member) { work(member, batch, rope); });
}

void DecodeStep::work(int member, const DecodeBatch& batch, const RopeTable& rope) {
  Scratch& scratch = scratch_[static_cast<std::size_t>(member)];
  team_.share(count_, [&](std::int64_t m) {
    kernels::dequantize(weights_.embedding, batch.tokens[floats(m)], 1,
                        hidden_.data() + m * spec_.hidden);
  });
  for (std::int64_t index = 0; index < spec_.layers; ++index) {
    const DecodeLayer& layer = weights_.layers[floats(index)];
    normalize(layer.attention_norm, scratch);
    team_.share(spec_.heads + 2 * spec_.kv_heads,
                [&](std::int64_t item) { project_head(item, index, rope, scratch); });
    const ItemRange items = item_ranges_[floats(index)];
    team_.share(items.count, [&](std::int64_t item) {
      attend(attention_items_[items.first + floats(item)], index);
    });
    team_.share(items_of(spec_.hidden), [&](std::int64_t item) {
      add_product(layer.attention_output, item, attended_, scratch);
    });
    normalize(layer.ffn_norm, scratch);
    team_.share(items_of(spec_.ffn), [&](std::int64_t item) { gate_and_up(layer, item, scratch); });
    team_.share(items_of(spec_.hidden),
                [&](std::int64_t item) { add_product(layer.down, item, gated_, scratch); });
  }
  normalize(weights_.output_norm, scratch);
  team_.share(items_of(spec_.vocab), [&](std::int64_t item) {
    const kernels::RowRange rows = item_rows(item, spec_.vocab);
    kernels::matvec(weights_.output, rows, {scratch.normed.data(), count_},
                    batch.logits + rows.first, spec_.vocab);
  });
}

void DecodeStep::normalize(const std::vector<float>& weight, Scratch& scratch) {
  for (std::int64_t m = 0; m < count_; ++m) {
    kernels::rms_norm(hidden_.data() + m * spec_.hidden, weight.data(), spec_.hidden,
                      spec_.rms_epsilon, scratch.normed.data() + m * spec_.hidden);
  }
}

// Items: the query heads, then the key heads, then the value heads.
void DecodeStep::project_head(std::int64_t item, std::int64_t layer_index, const RopeTable& rope,
                              Scratch& scratch) {
  const DecodeLayer& layer = weights_.layers[floats(layer_index)];
  const bool is_query = item < spec_.heads;
  const bool is_value = item >= spec_.heads + spec_.kv_heads;
  const TensorView& weights = is_query ? layer.query : is_value ? layer.value : layer.key;
  const std::vector<float>& bias = is_query   ? layer.query_bias
                                   : is_value ? layer.value_bias
                                              : layer.key_bias;
  const std::int64_t head = is_query ? item : (item - spec_.heads) % spec_.kv_heads;
  const std::int64_t width = spec_.head_dim;
  kernels::matvec(weights, {head * width, (head + 1) * width}, {scratch.normed.data(), count_},
                  scratch.rows.data(), width);
  for (std::int64_t m = 0; m < count_; ++m) {
    float* values = scratch.rows.data() + m * width;
    for (std::int64_t i = 0; i < width && !bias.empty(); ++i) {
      values[i] += bias[floats(head * width + i)];
    }
    if (!is_value) {
      kernels::rotate_pairs(values, rope.cos(position(m)), rope.sin(position(m)), rope.pairs(),
                            spec_.rope.style == RopeStyle::kInterleaved
                                ? kernels::PairLayout::kInterleaved
                                : kernels::PairLayout::kHalves);
    }
    if (is_query) {
      std::copy_n(values, width, queries_.data() + (m * spec_.heads + head) * width);
    } else {
      store_kv(m, layer_index, (is_value ? spec_.kv_heads : 0) + head, values);
    }
  }
}

// `row_in_pool`: the head among keys and values, in the pool's order.
void DecodeStep::store_kv(std::int64_t sequence, std::int64_t layer, std::int64_t row_in_pool,
                          const float* values) {
  const std::int64_t at = rows(sequence, layer, row_in_pool % spec_.kv_heads);
  const KvBlockId id = batch_.sequences[floats(sequence)]->blocks[floats(at / kKvBlockTokens)];
  const std::int64_t element =
      (row_in_pool * kKvBlockTokens + at % kKvBlockTokens) * spec_.head_dim;
  std::byte* block = batch_.pool->block(layer, id);
  if (group_.dtype == DType::kF32) {
    std::copy_n(values, spec_.head_dim, reinterpret_cast<float*>(block) + element);
    return;
  }
  auto* out = reinterpret_cast<std::uint16_t*>(block) + element;
  for (std::int64_t i = 0; i < spec_.head_dim; ++i) out[i] = bf16_from_f32(values[i]);
}

void DecodeStep::attend(const AttentionItem& item, std::int64_t layer) {
  constexpr std::int64_t kBlocks = kernels::kSplitTokens / kKvBlockTokens;
  static_assert(kBlocks * kKvBlockTokens == kernels::kSplitTokens);
  const KvSequence& sequence = *batch_.sequences[floats(item.sequence)];
  // The current token is in the pool by now.
  const std::int64_t tokens = rows(item.sequence, layer, item.kv_head) + 1;
  const std::int64_t first = item.split * kernels::kSplitTokens;
  kernels::KvSplit split;
  split.tokens = std::min(kernels::kSplitTokens, tokens - first);
  std::array<const std::byte*, kBlocks> blocks{};
  for (std::int64_t i = 0; i < kv_blocks_for(split.tokens); ++i) {
    blocks[floats(i)] =
        batch_.pool->block(layer, sequence.blocks[floats(first / kKvBlockTokens + i)]);
  }
  const std::size_t head_bytes =
      floats(kKvBlockTokens * spec_.head_dim) * dtype_block_bytes(group_.dtype);
  split.blocks = blocks.data();
  split.key_offset = floats(item.kv_head) * head_bytes;
  split.value_offset = floats(spec_.kv_heads + item.kv_head) * head_bytes;

  const std::int64_t place = item.sequence * spec_.kv_heads + item.kv_head;
  const std::int64_t step = kernels::partial_floats(group_);
  float* partials = partials_.data() + place * splits_max_ * step;
  const std::int64_t out = place * group_.heads * spec_.head_dim;
  kernels::attend_split(group_, queries_.data() + out, split, partials + item.split * step);
  std::atomic<std::int64_t>& left = splits_left_[floats(place)];
  if (left.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (layer + 1 < spec_.layers) {  // read after a barrier
    left.store(splits(item.sequence, layer + 1, item.kv_head), std::memory_order_relaxed);
  }
  kernels::merge_splits(group_, partials, splits_for(tokens), attended_.data() + out);
}

// hidden += weights x, for the rows of `item`.
void DecodeStep::add_product(const TensorView& weights, std::int64_t item,
                             const std::vector<float>& x, Scratch& scratch) {
  const kernels::RowRange rows = item_rows(item, spec_.hidden);
  const std::int64_t width = rows.last - rows.first;
  kernels::matvec(weights, rows, {x.data(), count_}, scratch.rows.data(), width);
  for (std::int64_t m = 0; m < count_; ++m) {
    float* hidden = hidden_.data() + m * spec_.hidden + rows.first;
    const float* product = scratch.rows.data() + m * width;
    for (std::int64_t i = 0; i < width; ++i) hidden[i] += product[i];
  }
}

void DecodeStep::gate_and_up(const DecodeLayer& layer, std::int64_t item, Scratch& scratch) {
  const kernels::RowRange rows = item_rows(item, spec_.ffn);
  const std::int64_t width = rows.last - rows.first;
  float* gate = scratch.rows.data();
  float* up = gate + count_ * width;
  kernels::matvec(layer.gate, rows, {scratch.normed.data(), count_}, gate, width);
  kernels::matvec(layer.up, rows, {scratch.normed.data(), count_}, up, width);
  kernels::silu_multiply(gate, up, count_ * width);
  for (std::int64_t m = 0; m < count_; ++m) {
    std::copy_n(gate + m * width, width, gated_.data() + m * spec_.ffn + rows.first);
  }
}

}  // namespace sluice::runtime
