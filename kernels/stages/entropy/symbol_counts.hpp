// SPDX-License-Identifier: Apache-2.0
// How often each symbol occurs in each group of columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/stages/entropy/symbol_groups.hpp"

namespace sluice::kernels {

// Group g's are at [first[g], first[g] + 2^bits).
struct SymbolCounts {
  std::vector<std::size_t> first;
  std::vector<std::uint64_t> counts;
};

// `symbols`: [rows][all_columns], each below 2^bits of its column (a programmer's error otherwise).
SymbolCounts count_symbols(const SymbolGroups& groups, std::int64_t rows,
                           const std::uint8_t* symbols);

}  // namespace sluice::kernels
