// SPDX-License-Identifier: Apache-2.0
// Paged K and V of one layer: filled from a chunk's activations, read back for attention.
#pragma once

#include <cstdint>

#include "kernels/elementwise/kv_rows.hpp"
#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

// kBoth is the codec's alone: a layer's K and then its V, side by side.
enum class KvHalf : std::uint8_t { kKey, kValue, kBoth };

// The pages' elements are kF32 (4 bytes) or kBF16 (2 bytes), by pages.element_bytes.
DType kv_pages_dtype(const KvPages& pages);

// Rows of `k` and `v` (one token's heads one after another) to positions [first_token,
// first_token + tokens), rounded to the pages' dtype.
struct KvChunk {
  std::int64_t first_token = 0;
  std::int64_t tokens = 0;
  ConstRows k;
  ConstRows v;
};
void store_kv(const KvPages& pages, const KvChunk& chunk);

// Positions [0, tokens) to out[kv_head][token][head_dim]; out.stride is of one token.
void gather_kv(const KvPages& pages, KvHalf half, std::int64_t tokens, Rows out);

// The two layouts that a block matrix product wants, for panels of `panel_tokens` (a multiple of
// the block size) that cover [0, tokens); what lies past `tokens` is finite in `values` only.
// FP32: keys [kv_head][panel][head_dim][panel_tokens], values [kv_head][token][head_dim].
// BF16: the same with neighbours of the summed axis in pairs (VNNI):
//       keys [kv_head][panel][head_dim / 2][panel_tokens][2],
//       values [kv_head][token / 2][head_dim][2].
// A head has panels * panel_tokens * head_dim elements in each.
struct KvPanels {
  DType dtype = DType::kF32;
  std::int64_t panel_tokens = 0;
  void* keys = nullptr;
  void* values = nullptr;
};
void pack_kv_panels(const KvPages& pages, std::int64_t tokens, const KvPanels& panels);

}  // namespace sluice::kernels
