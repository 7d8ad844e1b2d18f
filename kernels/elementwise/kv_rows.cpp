// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/kv_rows.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/core/check.hpp"

namespace sluice::kernels {
namespace {

// Calls copy(page bytes, row bytes, run length in bytes) for each head's run of each token. The
// usual runs of 64 and 128 elements get a constant length, which the compiler turns into moves.
template <class Copy>
void for_each_run(const KvPages& pages, std::int64_t first_token, std::int64_t last_token,
                  const Copy& copy) {
  SLUICE_CHECK(first_token >= 0 && first_token <= last_token, "a range of tokens runs forwards");
  SLUICE_CHECK(last_token <= static_cast<std::int64_t>(pages.blocks.size()) * pages.block_tokens,
               "the blocks must reach the last token");
  const std::size_t run = static_cast<std::size_t>(pages.head_dim) * pages.element_bytes;
  const std::size_t plane = run * static_cast<std::size_t>(pages.block_tokens);
  const std::size_t row = pages.row_bytes();
  const auto planes = static_cast<std::size_t>(2 * pages.kv_heads);
  std::size_t row_offset = 0;
  for (std::int64_t token = first_token; token < last_token;) {
    const std::int64_t slot = token % pages.block_tokens;
    const std::int64_t count = std::min(pages.block_tokens - slot, last_token - token);
    std::byte* block = pages.blocks[static_cast<std::size_t>(token / pages.block_tokens)] +
                       static_cast<std::size_t>(slot) * run;
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::size_t p = 0; p < planes; ++p) {
        copy(block + p * plane + static_cast<std::size_t>(i) * run, row_offset + p * run, run);
      }
      row_offset += row;
    }
    token += count;
  }
}

template <class Move>
void dispatch_run(std::size_t run, const Move& move) {
  if (run == 128)
    return move([](void* to, const void* from, std::size_t) { std::memcpy(to, from, 128); });
  if (run == 256)
    return move([](void* to, const void* from, std::size_t) { std::memcpy(to, from, 256); });
  move([](void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); });
}

}  // namespace

void pack_kv_rows(const KvPages& pages, std::int64_t first_token, std::int64_t last_token,
                  std::byte* rows) {
  dispatch_run(static_cast<std::size_t>(pages.head_dim) * pages.element_bytes, [&](auto copy) {
    for_each_run(pages, first_token, last_token,
                 [&](const std::byte* page, std::size_t offset, std::size_t run) {
                   copy(rows + offset, page, run);
                 });
  });
}

void unpack_kv_rows(const KvPages& pages, std::int64_t first_token, std::int64_t last_token,
                    const std::byte* rows) {
  dispatch_run(static_cast<std::size_t>(pages.head_dim) * pages.element_bytes, [&](auto copy) {
    for_each_run(pages, first_token, last_token,
                 [&](std::byte* page, std::size_t offset, std::size_t run) {
                   copy(page, rows + offset, run);
                 });
  });
}

}  // namespace sluice::kernels
