// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/correct/gear/sparse_entries.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice::kernels {
namespace {

TEST(SparseEntries, TheLargestGoAndComeBack) {
  // Two rows of 400, 500 apart in memory: gaps of more than one byte, and across rows.
  std::vector<float> values(1000, 0.25F);
  values[3] = -8.0F;
  values[399] = 2.0F;
  values[500 + 390] = 1.0F + 0x1p-9F;  // BF16 rounds it to 1
  values[450] = 99.0F;                 // between the rows
  const auto original = values;
  ByteWriter out;
  take_sparse_entries({values.data(), 2, 400, 500}, 3, out);
  EXPECT_EQ(out.bytes().size(), 8U + 5 + 6);  // gaps 3, 255+140, 255+135
  EXPECT_EQ(values[3], 0.0F);
  EXPECT_EQ(values[399], 0.0F);
  EXPECT_EQ(values[890], 0x1p-9F);
  EXPECT_EQ(values[450], 99.0F);
  ByteReader in(out.bytes());
  ASSERT_TRUE(add_sparse_entries(in, {values.data(), 2, 400, 500}));
  EXPECT_EQ(in.remaining(), 0U);
  EXPECT_EQ(values, original);
}

TEST(SparseEntries, OfEqualOnesTheFirst) {
  std::vector<float> values(10, -1.0F);
  values[7] = 2.0F;
  ByteWriter out;
  take_sparse_entries({values.data(), 1, 10, 10}, 3, out);
  EXPECT_EQ(values, (std::vector<float>{0, 0, -1, -1, -1, -1, -1, 0, -1, -1}));
}

TEST(SparseEntries, NoneAndAll) {
  for (const std::int64_t count : {0, 6}) {
    std::vector<float> values = {1, -2, 0, 4, -5, 6};
    const auto original = values;
    ByteWriter out;
    take_sparse_entries({values.data(), 2, 3, 3}, count, out);
    EXPECT_EQ(values, count == 0 ? original : std::vector<float>(6, 0.0F));
    ByteReader in(out.bytes());
    ASSERT_TRUE(add_sparse_entries(in, {values.data(), 2, 3, 3}));
    EXPECT_EQ(values, original);
  }
  ByteWriter out;
  take_sparse_entries({nullptr, 0, 3, 3}, 0, out);
  ByteReader in(out.bytes());
  EXPECT_TRUE(add_sparse_entries(in, {nullptr, 0, 3, 3}));
}

TEST(SparseEntries, WrongBytesAreRefused) {
  std::vector<float> values(20, 1.0F);
  ByteWriter out;
  take_sparse_entries({values.data(), 2, 10, 10}, 4, out);
  for (std::size_t bytes = 0; bytes < out.bytes().size(); ++bytes) {
    ByteReader cut(Bytes(out.bytes()).first(bytes));
    ASSERT_FALSE(add_sparse_entries(cut, {values.data(), 2, 10, 10})) << bytes;
  }
  // Fewer rows than it was written for; more gaps than values; fewer gaps than values.
  auto changed = out.bytes();
  changed[8] = std::byte{17};  // the first gap: the fourth entry is then at 20
  ByteReader outside(changed);
  EXPECT_FALSE(add_sparse_entries(outside, {values.data(), 2, 10, 10}));
  changed = out.bytes();
  changed[0] = std::byte{3};
  ByteReader fewer(changed);
  EXPECT_FALSE(add_sparse_entries(fewer, {values.data(), 2, 10, 10}));
  changed = out.bytes();
  changed[8] = std::byte{255};
  ByteReader unfinished(changed);
  std::vector<float> wide(400, 1.0F);
  EXPECT_FALSE(add_sparse_entries(unfinished, {wide.data(), 2, 200, 200}));
  const std::vector<std::byte> huge(8, std::byte{0xff});
  ByteReader counts(huge);
  EXPECT_FALSE(add_sparse_entries(counts, {values.data(), 2, 10, 10}));
  ByteReader on_nothing(out.bytes());
  EXPECT_FALSE(add_sparse_entries(on_nothing, {nullptr, 0, 10, 10}));
}

}  // namespace
}  // namespace sluice::kernels
