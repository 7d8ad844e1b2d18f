// SPDX-License-Identifier: Apache-2.0
// Which columns of a plane send symbols, and which of them share a distribution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

inline constexpr int kSymbolBitsMax = 8;

struct SymbolGroups {
  // Columns with bits > 0, ascending, and the group of each. A group is the columns of one context
  // and one number of bits; groups are numbered by their first column.
  std::vector<std::uint32_t> columns;
  std::vector<std::uint32_t> group_of;
  std::vector<std::uint8_t> group_bits;
  std::size_t all_columns = 0;

  // kCorrupt: a column has more than 8 bits, or the lists differ in length.
  static Result<SymbolGroups> of(const SymbolShape& shape);
};

}  // namespace sluice::kernels
