// SPDX-License-Identifier: Apache-2.0
// A sequence's pages of one layer, as the row kernels want them.
#pragma once

#include <span>
#include <vector>

#include "kernels/elementwise/kv_rows.hpp"
#include "runtime/kv/kv_pool.hpp"

namespace sluice::runtime {

class PagesOfLayer {
 public:
  PagesOfLayer(KvPool& pool, std::span<const KvBlockId> blocks, std::int64_t layer)
      : shape_(pool.shape()) {
    starts_.reserve(blocks.size());
    for (const KvBlockId block : blocks) starts_.push_back(pool.block(layer, block));
  }

  kernels::KvPages view() const {
    return {starts_, kKvBlockTokens, shape_.kv_heads, shape_.head_dim,
            dtype_block_bytes(shape_.dtype)};
  }

 private:
  KvShape shape_;
  std::vector<std::byte*> starts_;
};

}  // namespace sluice::runtime
