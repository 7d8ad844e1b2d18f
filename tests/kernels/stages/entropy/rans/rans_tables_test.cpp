// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/rans/rans_tables.hpp"

#include <gtest/gtest.h>

#include "tests/kernels/stages/entropy/rans/rans_cases.hpp"

namespace sluice::kernels {
namespace {

TEST(RansTables, WideSearchesStartAtTheSlotsSymbolOrBefore) {
  const RansCase item("wide", gaussian_plane(300, {8, 5, 8}, 1), false);
  const RansDecodeTables tables = decode_tables(item.groups, item.model);
  ASSERT_EQ(tables.wide.size(), 3U);
  EXPECT_TRUE(tables.nibble.empty());
  for (const RansWideDecode& table : tables.wide) {
    EXPECT_EQ(table.start[256], kRansSlots);
    for (std::uint32_t slot = 0; slot < kRansSlots; ++slot) {
      ASSERT_LE(table.start[table.from[slot >> kWideShift]], slot);
      std::size_t node = 1;
      while (node < 256) node = 2 * node + (table.tree[node] <= slot ? 1 : 0);
      ASSERT_LE(table.start[node - 256], slot);
      ASSERT_GT(table.start[node - 256 + 1], slot);
    }
  }
}

TEST(RansTables, ColumnsKeepTheirPlaces) {
  const RansCase item("mixed", gaussian_plane(40, {0, 4, 8, 0, 4}, 1), true);
  const RansEncodeTables tables = encode_tables(item.groups, item.model);
  ASSERT_EQ(tables.columns.size(), 3U);
  EXPECT_EQ(tables.columns[0].column, 1U);
  EXPECT_EQ(tables.columns[1].column, 2U);
  EXPECT_EQ(tables.columns[1].is_wide, 1U);
  EXPECT_EQ(tables.columns[2].column, 4U);
  EXPECT_EQ(tables.columns[2].table, 1U);
}

TEST(RansTables, ReciprocalsFallShortByLessThanOne) {
  const RansCase item("wide", gaussian_plane(3000, {8}, 1), true);
  for (const RansWideEncode& table : encode_tables(item.groups, item.model).wide) {
    for (std::size_t s = 0; s < 256; ++s) {
      const std::uint64_t frequency = table.frequency[s];
      if (frequency <= 1) continue;
      const std::uint64_t reciprocal =
          table.reciprocal_low[s] | std::uint64_t{table.reciprocal_high[s]} << 16;
      EXPECT_LE(reciprocal * frequency, std::uint64_t{1} << 32);
      EXPECT_GT((reciprocal + 1) * frequency, std::uint64_t{1} << 32);
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
