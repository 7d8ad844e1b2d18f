// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/kv_rows.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace sluice::kernels {
namespace {

// A cache whose blocks lie in descending order, so that neighbours are never contiguous.
struct Cache {
  Cache(std::int64_t blocks, std::int64_t kv_heads, std::int64_t head_dim, std::size_t bytes)
      : block_bytes(static_cast<std::size_t>(2 * kv_heads * 4 * head_dim) * bytes),
        memory(static_cast<std::size_t>(blocks) * block_bytes) {
    for (std::int64_t i = blocks; i-- > 0;) {
      starts.push_back(memory.data() + static_cast<std::size_t>(i) * block_bytes);
    }
    pages = {.blocks = starts,
             .block_tokens = 4,
             .kv_heads = kv_heads,
             .head_dim = head_dim,
             .element_bytes = bytes};
  }
  // Where one byte of an element lies, straight from the documented layout.
  std::byte& at(int half, std::int64_t head, std::int64_t token, std::size_t byte) {
    const auto plane = static_cast<std::size_t>((half * pages.kv_heads + head) * 4 + token % 4);
    return starts[static_cast<std::size_t>(token / 4)]
                 [plane * static_cast<std::size_t>(pages.head_dim) * pages.element_bytes + byte];
  }

  std::size_t block_bytes;
  std::vector<std::byte> memory;
  std::vector<std::byte*> starts;
  KvPages pages;
};

void fill(std::vector<std::byte>& bytes, unsigned seed) {
  for (auto& byte : bytes) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(seed >> 24);
  }
}

struct Case {
  std::int64_t kv_heads, head_dim;
  std::size_t element_bytes;
};

class KvRows : public ::testing::TestWithParam<Case> {};

TEST_P(KvRows, PackFollowsTheLayout) {
  const Case c = GetParam();
  Cache cache(4, c.kv_heads, c.head_dim, c.element_bytes);
  fill(cache.memory, 1);
  const std::size_t run = static_cast<std::size_t>(c.head_dim) * c.element_bytes;
  const std::int64_t first = 3;
  const std::int64_t last = 14;
  std::vector<std::byte> rows(static_cast<std::size_t>(last - first) * cache.pages.row_bytes());
  pack_kv_rows(cache.pages, first, last, rows.data());
  std::size_t offset = 0;
  for (std::int64_t token = first; token < last; ++token) {
    for (int half = 0; half < 2; ++half) {
      for (std::int64_t head = 0; head < c.kv_heads; ++head) {
        for (std::size_t byte = 0; byte < run; ++byte) {
          ASSERT_EQ(rows[offset++], cache.at(half, head, token, byte)) << token << ' ' << half;
        }
      }
    }
  }
  EXPECT_EQ(offset, rows.size());
}

std::vector<std::byte> packed(const Cache& cache, std::int64_t first, std::int64_t last) {
  std::vector<std::byte> rows(static_cast<std::size_t>(last - first) * cache.pages.row_bytes());
  pack_kv_rows(cache.pages, first, last, rows.data());
  return rows;
}

TEST_P(KvRows, UnpackRestoresTheRangeAndNothingElse) {
  const Case c = GetParam();
  Cache source(4, c.kv_heads, c.head_dim, c.element_bytes);
  Cache target(4, c.kv_heads, c.head_dim, c.element_bytes);
  fill(source.memory, 2);
  fill(target.memory, 3);
  const auto head = packed(target, 0, 5);
  const auto tail = packed(target, 12, 16);
  const auto rows = packed(source, 5, 12);
  unpack_kv_rows(target.pages, 5, 12, rows.data());
  EXPECT_TRUE(packed(target, 5, 12) == rows);
  EXPECT_TRUE(packed(target, 0, 5) == head);
  EXPECT_TRUE(packed(target, 12, 16) == tail);
}

INSTANTIATE_TEST_SUITE_P(Shapes, KvRows,
                         ::testing::Values(Case{3, 64, 2}, Case{1, 128, 2}, Case{2, 64, 4},
                                           Case{3, 10, 2}));

TEST(KvRows, AnEmptyRangeTouchesNothing) {
  Cache cache(1, 1, 8, 2);
  pack_kv_rows(cache.pages, 4, 4, nullptr);
  unpack_kv_rows(cache.pages, 0, 0, nullptr);
}

TEST(KvRowsDeathTest, BeyondTheBlocksIsCaught) {
  Cache cache(2, 1, 8, 2);
  std::vector<std::byte> rows(16 * cache.pages.row_bytes());
  EXPECT_DEATH(pack_kv_rows(cache.pages, 0, 9, rows.data()), "blocks must reach");
}

}  // namespace
}  // namespace sluice::kernels
