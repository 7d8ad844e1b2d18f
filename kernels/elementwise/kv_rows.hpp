// SPDX-License-Identifier: Apache-2.0
// One layer's K and V between paged blocks and token-major rows: the shape a frame carries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::kernels {

// One sequence in one layer of a paged cache. blocks[i] is the start of the sequence's i-th block:
// [K, V][kv_heads][block_tokens][head_dim] elements.
struct KvPages {
  std::span<std::byte* const> blocks;
  std::int64_t block_tokens = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::size_t element_bytes = 0;

  // Of one token: K of all heads, then V of all heads.
  std::size_t row_bytes() const {
    return static_cast<std::size_t>(kv_heads * head_dim) * 2 * element_bytes;
  }
};

// Positions [first_token, last_token) to `rows`: (last_token - first_token) * row_bytes() bytes,
// copied unchanged. The blocks must reach last_token.
void pack_kv_rows(const KvPages& pages, std::int64_t first_token, std::int64_t last_token,
                  std::byte* rows);

// The reverse.
void unpack_kv_rows(const KvPages& pages, std::int64_t first_token, std::int64_t last_token,
                    const std::byte* rows);

}  // namespace sluice::kernels
