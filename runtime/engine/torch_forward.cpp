// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/torch_forward.hpp"

#include <algorithm>
#include <bit>
#include <optional>

namespace sluice::runtime {

const PrefillObserver* ForwardChunk::observer() const {
  const PrefillObserver* watcher = hooks == nullptr ? nullptr : hooks->observer;
  return watcher != nullptr && watcher->observe ? watcher : nullptr;
}

std::int64_t ForwardChunk::first_watched() const {
  if (observer() == nullptr) return last_token();
  return std::clamp(observer()->first_token, first_token, last_token());
}

const RopeTable& GrowingRope::reaching(std::int64_t positions) {
  if (positions <= table_.positions()) return table_;
  const auto rounded =
      static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(positions)));
  std::optional<TensorView> factors;
  if (!weights_.rope_factors.empty()) {
    factors = TensorView{.data = reinterpret_cast<const std::byte*>(weights_.rope_factors.data()),
                         .dtype = DType::kF32,
                         .rank = 1,
                         .shape = {static_cast<std::int64_t>(weights_.rope_factors.size())}};
  }
  table_ = RopeTable::build(weights_.spec, factors, std::max<std::int64_t>(rounded, 1024));
  return table_;
}

kernels::KvPages kv_pages_of(const ForwardChunk& chunk, std::int64_t layer,
                             std::vector<std::byte*>& starts) {
  starts.clear();
  for (const KvBlockId id : chunk.blocks) starts.push_back(chunk.pool->block(layer, id));
  const KvShape& shape = chunk.pool->shape();
  return {.blocks = starts,
          .block_tokens = kKvBlockTokens,
          .kv_heads = shape.kv_heads,
          .head_dim = shape.head_dim,
          .element_bytes = dtype_block_bytes(shape.dtype)};
}

}  // namespace sluice::runtime
