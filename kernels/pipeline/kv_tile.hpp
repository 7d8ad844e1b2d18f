// SPDX-License-Identifier: Apache-2.0
// Some rows of some heads between paged K or V and a matrix: FP32 for the stages, BF16 as it is
// for the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/matrix.hpp"

namespace sluice::kernels {

// Rows of a plane and where they are: row i is token rows[i] of each layer's pages (FP32 or BF16,
// reaching every row). Columns: [layer][head][head_dim], of kBoth [layer][K, V][head][head_dim].
struct KvTile {
  std::span<const KvPages> pages;  // by layer
  KvHalf half = KvHalf::kKey;
  std::int64_t head_first = 0;
  std::int64_t head_count = 0;
  std::span<const std::int32_t> rows;
  std::span<const std::int32_t> next_rows;  // of the tile that follows: fetched ahead; may be empty
  // store_tile() writes past the caches where it can: for what would not stay there anyway.
  // settle_stores() then comes before another thread looks.
  bool bypasses_cache = false;

  std::int64_t columns() const {
    const std::int64_t halves = half == KvHalf::kBoth ? 2 : 1;
    return static_cast<std::int64_t>(pages.size()) * halves * head_count * pages.front().head_dim;
  }
  KvTile part(std::int64_t first, std::int64_t count) const {
    KvTile tile = *this;
    const auto rest = rows.subspan(static_cast<std::size_t>(first));
    tile.rows = rest.first(static_cast<std::size_t>(count));
    tile.next_rows = rest.subspan(tile.rows.size());
    return tile;
  }
};

// False: a NaN or an infinity is among the rows (they are in `to` as well).
bool load_tile(const KvTile& tile, Matrix to);
// Rounded to the pages' type: nearest, ties to even.
void store_tile(const KvTile& tile, ConstMatrix from);
void settle_stores();

// BF16, rows * columns of them one after another.
void load_bf16(const KvTile& tile, std::byte* to);
void store_bf16(const KvTile& tile, const std::byte* from);

// The same for a matrix: coefficients that no quantizer follows.
void round_to_bf16(ConstMatrix from, std::byte* to);
void expand_bf16(const std::byte* from, Matrix to);

}  // namespace sluice::kernels
