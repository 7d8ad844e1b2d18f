// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_groups.hpp"

#include <algorithm>

#include "kernels/core/check.hpp"

namespace sluice::kernels {

Result<SymbolGroups> SymbolGroups::of(const SymbolShape& shape) {
  if (shape.bits.size() != shape.context.size()) {
    return make_error(ErrorCode::kCorrupt, "columns without bits or without a context");
  }
  SymbolGroups groups;
  groups.all_columns = shape.bits.size();
  std::size_t contexts = 0;
  for (const std::uint16_t context : shape.context) {
    contexts = std::max<std::size_t>(contexts, std::size_t{context} + 1);
  }
  constexpr std::uint32_t kNone = ~0U;
  std::vector<std::uint32_t> known(contexts * kSymbolBitsMax, kNone);  // [context][bits - 1]
  for (std::size_t column = 0; column < shape.bits.size(); ++column) {
    const std::uint8_t bits = shape.bits[column];
    if (bits > kSymbolBitsMax) {
      return make_error(ErrorCode::kCorrupt, "symbols of more than 8 bits");
    }
    if (bits == 0) continue;
    std::uint32_t& group = known[shape.context[column] * std::size_t{kSymbolBitsMax} + bits - 1];
    if (group == kNone) {
      group = static_cast<std::uint32_t>(groups.group_bits.size());
      groups.group_bits.push_back(bits);
    }
    groups.columns.push_back(static_cast<std::uint32_t>(column));
    groups.group_of.push_back(group);
    groups.row_bits += bits;
  }
  return groups;
}

SymbolCounts count_symbols(const SymbolGroups& groups, std::int64_t rows,
                           const std::uint8_t* symbols) {
  // By column first: neighbours then never wait for each other's increments.
  const std::size_t active = groups.columns.size();
  std::vector<std::uint32_t> first(active);
  std::size_t size = 0;
  for (std::size_t i = 0; i < active; ++i) {
    first[i] = static_cast<std::uint32_t>(size);
    size += std::size_t{1} << groups.group_bits[groups.group_of[i]];
  }
  SLUICE_CHECK(rows < std::int64_t{1} << 32, "more rows than a count holds");
  std::vector<std::uint32_t> by_column(size);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::uint8_t* at = symbols + static_cast<std::size_t>(row) * groups.all_columns;
    for (std::size_t i = 0; i < active; ++i) ++by_column[first[i] + at[groups.columns[i]]];
  }
  SymbolCounts counts;
  counts.first.reserve(groups.group_bits.size());
  std::size_t all = 0;
  for (const std::uint8_t bits : groups.group_bits) {
    counts.first.push_back(all);
    all += std::size_t{1} << bits;
  }
  counts.counts.resize(all);
  for (std::size_t i = 0; i < active; ++i) {
    const std::uint32_t group = groups.group_of[i];
    const std::size_t symbols_of = std::size_t{1} << groups.group_bits[group];
    for (std::size_t s = 0; s < symbols_of; ++s) {
      counts.counts[counts.first[group] + s] += by_column[first[i] + s];
    }
  }
  return counts;
}

}  // namespace sluice::kernels
