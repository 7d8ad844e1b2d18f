// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/packed_bits.hpp"

#include <cstring>
#include <vector>

#include "kernels/core/check.hpp"

namespace sluice::kernels {
namespace {

std::vector<std::uint8_t> bits_by_column(const SymbolGroups& groups) {
  std::vector<std::uint8_t> bits(groups.columns.size());
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = groups.group_bits[groups.group_of[i]];
  return bits;
}

}  // namespace

void pack_bits(const SymbolGroups& groups, std::int64_t rows, const std::uint8_t* symbols,
               MutableBytes packed) {
  SLUICE_CHECK(packed.size() == groups.packed_bytes(rows), "room for the packed bits");
  const auto bits = bits_by_column(groups);
  std::byte* next = packed.data();
  std::uint64_t held = 0;
  unsigned held_bits = 0;  // below 32 between symbols
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::uint8_t* at = symbols + static_cast<std::size_t>(row) * groups.all_columns;
    for (std::size_t i = 0; i < bits.size(); ++i) {
      held |= std::uint64_t{at[groups.columns[i]]} << held_bits;
      held_bits += bits[i];
      if (held_bits < 32) continue;
      std::memcpy(next, &held, 4);
      next += 4;
      held >>= 32;
      held_bits -= 32;
    }
  }
  std::memcpy(next, &held, (held_bits + 7) / 8);
}

Status unpack_bits(const SymbolGroups& groups, std::int64_t rows, Bytes packed,
                   std::uint8_t* symbols) {
  if (packed.size() != groups.packed_bytes(rows)) {
    return make_error(ErrorCode::kCorrupt, "packed symbols of another length than their rows");
  }
  const auto bits = bits_by_column(groups);
  const bool has_gaps = groups.columns.size() != groups.all_columns;
  std::uint64_t held = 0;
  unsigned held_bits = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint8_t* at = symbols + static_cast<std::size_t>(row) * groups.all_columns;
    if (has_gaps) std::memset(at, 0, groups.all_columns);
    for (std::size_t i = 0; i < bits.size(); ++i) {
      if (held_bits < bits[i]) {
        // The length fits the rows, so there are always enough bytes for the symbols to come.
        std::uint32_t more = 0;
        const std::size_t bytes = packed.size() < 4 ? packed.size() : 4;
        std::memcpy(&more, packed.data(), bytes);
        packed = packed.subspan(bytes);
        held |= std::uint64_t{more} << held_bits;
        held_bits += 8 * static_cast<unsigned>(bytes);
      }
      at[groups.columns[i]] = static_cast<std::uint8_t>(held & ((1U << bits[i]) - 1));
      held >>= bits[i];
      held_bits -= bits[i];
    }
  }
  if (held != 0) return make_error(ErrorCode::kCorrupt, "packed symbols end in a stray bit");
  return {};
}

}  // namespace sluice::kernels
