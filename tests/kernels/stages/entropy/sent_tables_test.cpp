// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "kernels/stages/entropy/symbol_counts.hpp"
#include "kernels/stages/entropy/symbol_tables.hpp"
#include "tests/kernels/stages/entropy/test_symbols.hpp"

namespace sluice::kernels {
namespace {

constexpr int kPrecision = 14;

struct Sent {
  explicit Sent(const TestPlane& plane)
      : groups(SymbolGroups::of(plane.shape).value()),
        counts(count_symbols(groups, plane.rows, plane.symbols.data())) {
    ByteWriter out;
    write_tables(groups, counts, kPrecision, out);
    bytes = out.take();
  }
  Result<SymbolModel> read(Bytes from) const {
    ByteReader reader(from);
    return read_tables(groups, kPrecision, reader);
  }
  SymbolGroups groups;
  SymbolCounts counts;
  std::vector<std::byte> bytes;
};

TEST(SentTables, EveryCountedSymbolHasAFrequency) {
  std::vector<std::uint8_t> bits;
  for (int i = 0; i < 120; ++i) bits.push_back(static_cast<std::uint8_t>(i * 3 % 9));
  const Sent sent(gaussian_plane(900, bits, 1));
  const SymbolModel model = sent.read(sent.bytes).value();
  EXPECT_LT(model.cost_q8(sent.groups, sent.counts), std::uint64_t{900} * 120 * 8 * 256);
}

TEST(SentTables, AreBytesThatAnyoneCanWrite) {
  // Two columns of 1 bit, one table: no index, and the counts 3 and 1 as 24 = 12 << 1 and 8 << 0.
  TestPlane plane;
  plane.rows = 2;
  plane.shape = {.bits = {1, 1}, .context = {0, 1}};
  plane.symbols = {0, 0, 1, 0};
  const Sent sent(plane);
  const std::vector<std::byte> expected = {std::byte{0}, std::byte{1 + 8 + 4}, std::byte{1}};
  EXPECT_EQ(sent.bytes, expected);
  const SymbolModel model = sent.read(sent.bytes).value();
  EXPECT_EQ(model.frequency, (std::vector<std::uint16_t>{12288, 4096}));
}

TEST(SentTables, DifferentColumnsGetDifferentTables) {
  TestPlane plane = gaussian_plane(5000, same_bits(64, 4), 1);
  const SymbolModel model = Sent(plane).read(Sent(plane).bytes).value();
  EXPECT_GT(model.tables.size(), 3U);
  EXPECT_EQ(model.table_of_group[0], model.table_of_group[7]);  // of one deviation
  EXPECT_NE(model.table_of_group[0], model.table_of_group[6]);
}

TEST(SentTables, RefuseWrongBytes) {
  const Sent sent(gaussian_plane(3000, {1, 4, 8, 8, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}, 1));
  const auto is_refused = [&](const std::vector<std::byte>& bytes) {
    const auto model = sent.read(bytes);
    return !model && model.error().code == ErrorCode::kCorrupt;
  };
  for (std::size_t size = 0; size < sent.bytes.size(); ++size) {
    std::vector<std::byte> cut(sent.bytes.begin(),
                               sent.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(is_refused(cut)) << size;
  }
  // An empty table of 1 bit, behind the three numbers of tables.
  std::vector<std::byte> empty = sent.bytes;
  empty[3] = empty[4] = std::byte{0};
  EXPECT_TRUE(is_refused(empty));
}

TEST(SentTables, AnIndexBeyondTheTablesIsRefused) {
  TestPlane plane = gaussian_plane(1, {1}, 1);
  const Sent sent(plane);
  // Three tables, and the index 3.
  const std::vector<std::byte> bytes = {std::byte{2}, std::byte{1}, std::byte{1}, std::byte{1},
                                        std::byte{1}, std::byte{1}, std::byte{1}, std::byte{3}};
  EXPECT_FALSE(sent.read(bytes).has_value());
  std::vector<std::byte> right = bytes;
  right.back() = std::byte{2};
  EXPECT_TRUE(sent.read(right).has_value());
}

}  // namespace
}  // namespace sluice::kernels
