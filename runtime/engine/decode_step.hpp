// SPDX-License-Identifier: Apache-2.0
// One decode step for up to 16 sequences, from token ids to logits, by a team of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/attention/decode_attention.hpp"
#include "kernels/linear/matvec.hpp"
#include "runtime/engine/decode_team.hpp"
#include "runtime/engine/decode_weights.hpp"
#include "runtime/engine/rope.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/model/model_spec.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

inline constexpr std::int64_t kDecodeBatchMax = 16;

// What a step works on; all checked by the caller. The sequences' `tokens` are not advanced.
struct DecodeBatch {
  KvPool* pool = nullptr;
  std::span<KvSequence* const> sequences;
  std::span<const TokenId> tokens;
  float* logits = nullptr;  // [sequences][vocab]
};

class DecodeStep {
 public:
  DecodeStep(const ModelSpec& spec, const DecodeWeights& weights, int threads);

  // Every position of the batch must be in `rope`.
  void run(const DecodeBatch& batch, const RopeTable& rope);

 private:
  // The keys and values one thread attends to at a time.
  struct AttentionItem {
    std::int32_t sequence, kv_head, split;
  };
  // The items of one layer in attention_items_.
  struct ItemRange {
    std::size_t first = 0;
    std::int64_t count = 0;
  };
  // Buffers of one thread, of kDecodeBatchMax rows each.
  struct Scratch {
    std::vector<float> normed;  // [sequences][hidden]
    std::vector<float> rows;    // [sequences][rows of an item], twice
  };

  void prepare(const DecodeBatch& batch);
  void work(int member, const DecodeBatch& batch, const RopeTable& rope);
  void project_head(std::int64_t item, std::int64_t layer, const RopeTable& rope, Scratch& scratch);
  void list_items(std::int64_t layer);
  void store_kv(std::int64_t sequence, std::int64_t layer, std::int64_t row_in_pool,
                const float* values);
  void attend(const AttentionItem& item, std::int64_t layer);
  void add_product(const TensorView& weights, std::int64_t item, const std::vector<float>& x,
                   Scratch& scratch);
  void gate_and_up(const DecodeLayer& layer, std::int64_t item, Scratch& scratch);
  void normalize(const std::vector<float>& weight, Scratch& scratch);
  kernels::RowRange item_rows(std::int64_t item, std::int64_t rows) const;
  std::int64_t items_of(std::int64_t rows) const;
  std::int64_t position(std::int64_t sequence) const;
  std::int64_t rows(std::int64_t sequence, std::int64_t layer, std::int64_t kv_head) const;
  std::int64_t splits(std::int64_t sequence, std::int64_t layer, std::int64_t kv_head) const;

  const ModelSpec spec_;
  const DecodeWeights& weights_;
  DecodeTeam team_;
  DecodeBatch batch_;
  std::int64_t count_ = 0;  // sequences of the batch
  kernels::HeadGroup group_;
  std::vector<float> hidden_;    // [sequences][hidden], the residual stream
  std::vector<float> queries_;   // [sequences][heads][head_dim]
  std::vector<float> attended_;  // [sequences][heads][head_dim]
  std::vector<float> gated_;     // [sequences][ffn]
  std::vector<float> partials_;  // [sequences][kv_heads][splits_max_] partial results
  std::int64_t splits_max_ = 0;
  std::vector<AttentionItem> attention_items_;
  std::vector<ItemRange> item_ranges_;  // by layer; all the same when no head has dropped rows
  // Splits of [sequences][kv_heads] still to be done in this layer; who does the last one merges.
  std::unique_ptr<std::atomic<std::int64_t>[]> splits_left_;
  std::vector<Scratch> scratch_;  // by member
};

}  // namespace sluice::runtime
