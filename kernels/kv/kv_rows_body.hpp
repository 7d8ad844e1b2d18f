// SPDX-License-Identifier: Apache-2.0
// Moving one token's K and V between pages and a row, for both blocks. One block per token.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/core/block.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/kv/kv_rows_device.hpp"

namespace sluice::kernels {

// The only conversion that loses anything, so the only one that must round alike everywhere.
template <class To, class From>
SLUICE_HOST_DEVICE inline To convert_element(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<To, std::uint16_t>) {
    return bf16_from_f32(value);
  } else {
    return f32_from_bf16(value);
  }
}

// Element i of a token's row, in [0, 2 * kv_heads * head_dim), is in page[K or V][head][token][i].
struct KvPagePlace {
  std::int64_t block_tokens;
  std::int64_t kv_heads;
  std::int64_t head_dim;

  SLUICE_HOST_DEVICE std::int64_t row_elements() const { return 2 * kv_heads * head_dim; }
  SLUICE_HOST_DEVICE std::int64_t at(std::int64_t token_in_block, std::int64_t i) const {
    const std::int64_t plane = i / head_dim;  // K's heads, then V's
    return (plane * block_tokens + token_in_block) * head_dim + i % head_dim;
  }
};

// Lane l handles elements l, l + 32, ...: neighbours read and write neighbours.
// Page: the pages' element type; Row: the rows'. std::uint16_t stands for BF16 bits.
template <class Page, class Row>
struct PackKvRowsBody {
  KvRowsTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const KvPagePlace place{task.block_tokens, task.kv_heads, task.head_dim};
    const std::int64_t token = task.first_token + block.index();
    const auto* page = reinterpret_cast<const Page*>(task.pages[token / task.block_tokens]);
    auto* row = reinterpret_cast<Row*>(task.rows) + block.index() * place.row_elements();
    const std::int64_t token_in_block = token % task.block_tokens;
    block.each(place.row_elements(), [=](std::int64_t i) {
      row[i] = convert_element<Row>(page[place.at(token_in_block, i)]);
    });
  }
};

template <class Page, class Row>
struct UnpackKvRowsBody {
  KvRowsTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const KvPagePlace place{task.block_tokens, task.kv_heads, task.head_dim};
    const std::int64_t token = task.first_token + block.index();
    auto* page = reinterpret_cast<Page*>(task.pages[token / task.block_tokens]);
    const auto* row =
        reinterpret_cast<const Row*>(task.rows) + block.index() * place.row_elements();
    const std::int64_t token_in_block = token % task.block_tokens;
    block.each(place.row_elements(), [=](std::int64_t i) {
      page[place.at(token_in_block, i)] = convert_element<Page>(row[i]);
    });
  }
};

// Calls run(grid, body) with the body that `task` and `direction` ask for.
template <class Run>
auto with_kv_rows_body(const KvRowsTask& task, KvRowsDirection direction, Run run) {
  const std::int64_t grid = task.last_token - task.first_token;
  const bool pack = direction == KvRowsDirection::kPack;
  if (task.pages_are_f32) {
    return pack ? run(grid, PackKvRowsBody<float, std::uint16_t>{task})
                : run(grid, UnpackKvRowsBody<float, std::uint16_t>{task});
  }
  return pack ? run(grid, PackKvRowsBody<std::uint16_t, std::uint16_t>{task})
              : run(grid, UnpackKvRowsBody<std::uint16_t, std::uint16_t>{task});
}

}  // namespace sluice::kernels
