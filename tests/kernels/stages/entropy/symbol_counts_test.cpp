// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_counts.hpp"

#include <gtest/gtest.h>

#include "tests/kernels/stages/entropy/rans/rans_cases.hpp"

namespace sluice::kernels {
namespace {

TEST(SymbolCounts, EveryTargetCountsEverySymbol) {
  std::vector<std::uint8_t> bits;
  for (int i = 0; i < 200; ++i) bits.push_back(static_cast<std::uint8_t>(i % 9));
  for (const std::int64_t rows : {1, 254, 255, 256, 600}) {
    TestPlane plane = gaussian_plane(rows, bits, 1);
    for (auto& context : plane.shape.context) context /= 20;
    const SymbolGroups groups = SymbolGroups::of(plane.shape).value();
    std::vector<std::vector<std::uint64_t>> expected;
    for (const std::uint8_t of_group : groups.group_bits) {
      expected.emplace_back(std::size_t{1} << of_group);
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::size_t i = 0; i < groups.columns.size(); ++i) {
        const std::size_t at = static_cast<std::size_t>(row) * bits.size() + groups.columns[i];
        ++expected[groups.group_of[i]][plane.symbols[at]];
      }
    }
    for_each_target([&] {
      const SymbolCounts counts = count_symbols(groups, rows, plane.symbols.data());
      for (std::size_t group = 0; group < expected.size(); ++group) {
        const auto first = counts.counts.begin() + static_cast<std::ptrdiff_t>(counts.first[group]);
        const auto size = static_cast<std::ptrdiff_t>(expected[group].size());
        EXPECT_EQ(std::vector<std::uint64_t>(first, first + size), expected[group]);
      }
    });
  }
}

}  // namespace
}  // namespace sluice::kernels
