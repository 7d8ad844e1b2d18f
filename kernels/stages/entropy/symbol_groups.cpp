// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_groups.hpp"

#include <algorithm>

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
  }
  return groups;
}

}  // namespace sluice::kernels
