// SPDX-License-Identifier: Apache-2.0
// Leaves rows out of a filled cache, as a pipeline that selects tokens does.
#pragma once

#include <cstring>
#include <functional>
#include <vector>

#include "runtime/kv/kv_pool.hpp"

namespace sluice::runtime {

// Moves every head's kept rows to the front of its pages and counts the others as dropped.
inline void drop_rows(
    KvPool& pool, KvSequence& sequence,
    const std::function<bool(std::int64_t, std::size_t, std::size_t)>& is_dropped) {
  const KvShape& shape = pool.shape();
  const auto row_bytes = static_cast<std::size_t>(shape.head_dim) * dtype_block_bytes(shape.dtype);
  const auto at = [&](std::int64_t layer, std::int64_t half, std::int64_t head, std::int64_t row) {
    const auto block = sequence.blocks[static_cast<std::size_t>(row / kKvBlockTokens)];
    const std::int64_t within =
        (half * shape.kv_heads + head) * kKvBlockTokens + row % kKvBlockTokens;
    return pool.block(layer, block) + static_cast<std::size_t>(within) * row_bytes;
  };
  sequence.dropped.clear();
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      std::int64_t kept = 0;
      for (std::int64_t token = 0; token < sequence.tokens; ++token) {
        if (is_dropped(layer, static_cast<std::size_t>(head), static_cast<std::size_t>(token))) {
          continue;
        }
        for (const std::int64_t half : {0, 1}) {
          if (kept != token) {
            std::memcpy(at(layer, half, head, kept), at(layer, half, head, token), row_bytes);
          }
        }
        ++kept;
      }
      sequence.dropped.push_back(sequence.tokens - kept);
    }
  }
}

}  // namespace sluice::runtime
