// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/kv_tile.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tests/support/kv_fixture.hpp"

namespace sluice::kernels {
namespace {

using tests::KvFixture;
using tests::KvFixtureSpec;

template <class Body>
void for_each_target(Body body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

KvFixtureSpec spec_of(DType dtype, std::int64_t dim) {
  KvFixtureSpec spec;
  spec.dtype = dtype;
  spec.head_dim = dim;
  spec.kv_heads = 3;
  spec.tokens = 45;
  spec.block_tokens = 8;
  return spec;
}

const std::vector<std::int32_t> kRows{0, 7, 8, 9, 30, 44};

KvTile tile_of(std::span<const KvPages> pages, KvHalf half) {
  return {.pages = pages,
          .half = half,
          .head_first = 1,
          .head_count = 2,
          .rows = kRows,
          .next_rows = {}};
}

// Element by element, as the header says it.
float element(const KvFixture& cache, KvHalf half, std::int64_t row, std::int64_t column) {
  const std::int64_t dim = cache.shape().head_dim;
  return cache.get(column / (2 * dim), half, 1 + column / dim % 2,
                   kRows[static_cast<std::size_t>(row)], column % dim);
}

TEST(KvTile, LoadsRowsOfSomeHeadsOfSeveralLayers) {
  for_each_target([] {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      for (const std::int64_t dim : {3, 64, 80}) {
        const KvFixture cache(spec_of(dtype, dim));
        const auto pages = cache.pages();
        for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
          KvTile tile = tile_of(pages, half);
          tile.next_rows = kRows;
          const std::int64_t columns = tile.columns();
          ASSERT_EQ(columns, 2 * 2 * dim);
          // A wider stride: what lies between rows stays.
          std::vector<float> data(6 * static_cast<std::size_t>(columns + 5), -7.0F);
          const Matrix rows{data.data(), 6, columns, columns + 5};
          EXPECT_TRUE(load_tile(tile, rows));
          std::vector<std::uint16_t> bits(6 * static_cast<std::size_t>(columns));
          load_bf16(tile, reinterpret_cast<std::byte*>(bits.data()));
          for (std::int64_t r = 0; r < 6; ++r) {
            for (std::int64_t c = 0; c < columns; ++c) {
              ASSERT_EQ(rows.row(r)[c], element(cache, half, r, c)) << r << " " << c;
              ASSERT_EQ(bits[static_cast<std::size_t>(r * columns + c)],
                        bf16_from_f32(element(cache, half, r, c)));
            }
            EXPECT_EQ(rows.row(r)[columns], -7.0F);
          }
        }
      }
    }
  });
}

TEST(KvTile, AJointTileIsOfEachLayersKAndThenItsV) {
  for_each_target([] {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      const KvFixture cache(spec_of(dtype, 20));
      KvFixtureSpec zero = spec_of(dtype, 20);
      zero.is_zero = true;
      KvFixture copy(zero);
      const auto from = cache.pages();
      const auto to = copy.pages();
      const KvTile tile = tile_of(from, KvHalf::kBoth);
      const std::int64_t columns = tile.columns();
      ASSERT_EQ(columns, 2 * 2 * 2 * 20);
      std::vector<float> data(6 * static_cast<std::size_t>(columns));
      const Matrix rows{data.data(), 6, columns, columns};
      EXPECT_TRUE(load_tile(tile, rows));
      store_tile(tile_of(to, KvHalf::kBoth), rows);
      for (std::int64_t r = 0; r < 6; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const KvHalf half = c / 40 % 2 == 0 ? KvHalf::kKey : KvHalf::kValue;
          const std::int64_t of_half = c / 80 * 40 + c % 40;
          ASSERT_EQ(rows.row(r)[c], element(cache, half, r, of_half)) << r << " " << c;
          ASSERT_EQ(element(copy, half, r, of_half), element(cache, half, r, of_half));
        }
      }
      EXPECT_EQ(copy.get(1, KvHalf::kValue, 0, 7, 3), 0.0F);
    }
  });
}

TEST(KvTile, StoresRoundedToNearestEvenAndTouchesNothingElse) {
  for_each_target([] {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      KvFixture cache(spec_of(dtype, 20));
      const KvFixture before(spec_of(dtype, 20));
      const auto pages = cache.pages();
      const KvTile tile = tile_of(pages, KvHalf::kValue);
      const std::int64_t columns = tile.columns();
      std::vector<float> data;
      for (std::int64_t i = 0; i < 6 * columns; ++i) {
        data.push_back(1.0F + static_cast<float>(i) * 0x1p-9F);  // every other one is a tie
      }
      store_tile(tile, {data.data(), 6, columns, columns});
      for (std::int64_t r = 0; r < 6; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const float exact = data[static_cast<std::size_t>(r * columns + c)];
          const float expected = dtype == DType::kF32 ? exact : f32_from_bf16(bf16_from_f32(exact));
          ASSERT_EQ(element(cache, KvHalf::kValue, r, c), expected);
        }
      }
      EXPECT_EQ(cache.rows(0, KvHalf::kKey), before.rows(0, KvHalf::kKey));
      EXPECT_EQ(cache.get(0, KvHalf::kValue, 0, 7, 3), before.get(0, KvHalf::kValue, 0, 7, 3));
      EXPECT_EQ(cache.get(1, KvHalf::kValue, 1, 10, 3), before.get(1, KvHalf::kValue, 1, 10, 3));
    }
  });
}

// Blocks on lines and off them: past the caches where that can be, and the same bytes.
TEST(KvTile, StoresPastTheCachesAreTheSame) {
  constexpr std::int64_t kDim = 64;
  constexpr std::int64_t kBlockTokens = 8;
  constexpr std::size_t kBlockElements = 2 * 3 * kBlockTokens * kDim;
  for_each_target([] {
    for (const std::size_t shift : {0, 1, 16}) {
      std::vector<std::uint16_t> memory[2];
      std::vector<std::byte*> starts[2];
      std::vector<float> rows(kRows.size() * 2 * kDim);
      for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i] = 0.37F * static_cast<float>(i) - 100.0F;
      for (const std::size_t which : {0, 1}) {
        memory[which].assign(6 * kBlockElements + 64, 7);
        const auto at = reinterpret_cast<std::uintptr_t>(memory[which].data());
        auto* first = memory[which].data() + (64 - at % 64) / 2 + shift;
        for (std::size_t block = 0; block < 6; ++block) {
          starts[which].push_back(reinterpret_cast<std::byte*>(first + block * kBlockElements));
        }
        const KvPages pages{.blocks = starts[which],
                            .block_tokens = kBlockTokens,
                            .kv_heads = 3,
                            .head_dim = kDim,
                            .element_bytes = 2};
        KvTile tile = tile_of({&pages, 1}, KvHalf::kValue);
        tile.bypasses_cache = which == 1;
        store_tile(tile, tests::matrix_of(rows, 2 * kDim));
        settle_stores();
      }
      for (std::size_t block = 0; block < 6; ++block) {
        ASSERT_EQ(std::memcmp(starts[0][block], starts[1][block], 2 * kBlockElements), 0);
      }
    }
  });
}

TEST(KvTile, BitsOfBf16ComeBackWhateverTheyAre) {
  KvFixture cache(spec_of(DType::kBF16, 20));
  cache.set(0, KvHalf::kKey, 1, 7, 0, std::numeric_limits<float>::quiet_NaN());
  cache.set(0, KvHalf::kKey, 1, 7, 19, -std::numeric_limits<float>::infinity());
  cache.set(1, KvHalf::kKey, 2, 44, 1, -0.0F);
  auto spec = spec_of(DType::kBF16, 20);
  spec.is_zero = true;
  KvFixture target(spec);
  const auto from = cache.pages();
  const auto to = target.pages();
  const KvTile source = tile_of(from, KvHalf::kKey);
  std::vector<std::byte> bytes(6 * static_cast<std::size_t>(source.columns()) * 2 + 1);
  // At an odd address, as in a frame.
  load_bf16(source, bytes.data() + 1);
  store_bf16(tile_of(to, KvHalf::kKey), bytes.data() + 1);
  std::vector<std::byte> again(bytes.size());
  load_bf16(tile_of(to, KvHalf::kKey), again.data() + 1);
  EXPECT_EQ(again, bytes);
  EXPECT_TRUE(std::isnan(target.get(0, KvHalf::kKey, 1, 7, 0)));
  EXPECT_TRUE(std::signbit(target.get(1, KvHalf::kKey, 2, 44, 1)));
}

TEST(KvTile, ANanOrAnInfinityIsSeenInEveryColumn) {
  for_each_target([] {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
            -std::numeric_limits<float>::infinity()}) {
        KvFixture cache(spec_of(dtype, 37));
        const auto pages = cache.pages();
        const KvTile tile = tile_of(pages, KvHalf::kKey);
        std::vector<float> data(6 * static_cast<std::size_t>(tile.columns()));
        const Matrix rows{data.data(), 6, tile.columns(), tile.columns()};
        for (std::int64_t channel = 0; channel < 37; ++channel) {
          const float good = cache.get(1, KvHalf::kKey, 2, 30, channel);
          cache.set(1, KvHalf::kKey, 2, 30, channel, bad);
          EXPECT_FALSE(load_tile(tile, rows)) << channel;
          cache.set(1, KvHalf::kKey, 2, 30, channel, good);
        }
        // The largest finite number is one.
        cache.set(1, KvHalf::kKey, 2, 30, 5, -3.3895314e38F);
        EXPECT_TRUE(load_tile(tile, rows));
      }
    }
  });
}

TEST(KvTile, AMatrixRoundsAndExpands) {
  for_each_target([] {
    std::vector<float> data(3 * 21);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i) * 1.01F - 9.0F;
    std::vector<std::byte> bytes(data.size() * 2 + 1);
    round_to_bf16({data.data(), 3, 19, 21}, bytes.data() + 1);
    std::vector<float> back(3 * 19);
    expand_bf16(bytes.data() + 1, {back.data(), 3, 19, 19});
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t c = 0; c < 19; ++c) {
        EXPECT_EQ(back[r * 19 + c], f32_from_bf16(bf16_from_f32(data[r * 21 + c])));
      }
    }
  });
}

}  // namespace
}  // namespace sluice::kernels
