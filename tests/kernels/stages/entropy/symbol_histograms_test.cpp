// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_histograms.hpp"

#include <gtest/gtest.h>

#include <random>

#include "kernels/stages/entropy/symbol_model.hpp"

namespace sluice::kernels {
namespace {

using Counts = std::vector<std::vector<std::uint32_t>>;

std::vector<std::byte> written(const Counts& columns) {
  HistogramWriter writer(columns.front().size(), columns.size());
  for (const auto& column : columns) writer.put(column);
  return writer.take();
}

Result<Counts> read(Bytes bytes) {
  auto reader = SLUICE_TRY(HistogramReader::open(bytes));
  Counts columns(reader.columns(), std::vector<std::uint32_t>(reader.symbols(), 7));
  for (auto& column : columns) SLUICE_TRY(reader.next(column));
  return columns;
}

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(SymbolHistograms, AreWrittenAsTheFormatSays) {
  EXPECT_EQ(written({{0, 0, 300, 0}, {1, 0, 0, 2}}),
            bytes_of({2, 2, 0, 1, 0xac, 0x02, 0, 0, 1, 0, 1, 2}));
}

TEST(SymbolHistograms, ComeBack) {
  std::mt19937 random(1);
  for (const std::size_t symbols : {2U, 16U, 256U}) {
    Counts columns(40, std::vector<std::uint32_t>(symbols));
    for (auto& column : columns) {
      for (auto& count : column) count = random() % 3 == 0 ? random() % (kCountMost + 1) : 0;
    }
    columns[3].assign(symbols, 0);
    columns[4].assign(symbols, kCountMost);
    const auto bytes = written(columns);
    const auto back = read(bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, columns);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      EXPECT_FALSE(read(Bytes(bytes).first(cut)).has_value()) << cut;
    }
  }
}

TEST(SymbolHistograms, HostileOnesAreRefused) {
  for (const auto& bytes : {
           bytes_of({0, 1, 0, 1}),                                // no symbols
           bytes_of({9, 1, 0, 1}),                                // too many
           bytes_of({1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1}),     // columns that cannot be there
           bytes_of({1, 1, 0, 2}),                                // more zeros than symbols
           bytes_of({1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}),     // above kCountMost
           bytes_of({1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}),  // a number of 6 bytes
           bytes_of({1, 1, 0xff, 0xff, 0xff, 0xff, 0x1f, 1}),     // over 32 bits
       }) {
    const auto columns = read(bytes);
    ASSERT_FALSE(columns.has_value());
    EXPECT_EQ(columns.error().code, ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace sluice::kernels
