// SPDX-License-Identifier: Apache-2.0
// A model's tables as the tuned rANS reads them: 16-entry tables that stay in vector registers for
// symbols of up to 4 bits (all lanes are in one column), plain arrays for wider ones.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/stages/entropy/rans/rans_body.hpp"
#include "kernels/stages/entropy/symbol_groups.hpp"
#include "kernels/stages/entropy/symbol_model.hpp"

namespace sluice::kernels {

inline constexpr int kNibbleBits = 4;

// A binary search over 16 starts, level by level; tables of even and odd symbols apart, so that the
// last level's result selects. Starts are stored less one: a signed "greater" then is "from here".
struct alignas(128) RansNibbleDecode {
  std::int16_t level1[8];  // of symbol 8, all eight the same
  std::int16_t level2[8];  // of 4, 12
  std::int16_t level3[8];  // of 2, 6, 10, 14
  std::int16_t start_odd[8];
  std::int16_t start_even[8];
  std::uint16_t frequency_even[8];
  std::uint16_t frequency_odd[8];
};

struct alignas(128) RansNibbleEncode {
  std::uint16_t frequency_even[8];
  std::uint16_t frequency_odd[8];
  std::uint16_t start_even[8];
  std::uint16_t start_odd[8];
  std::uint16_t reciprocal_low_even[8];  // floor(2^32 / frequency), at most 2^32 - 1
  std::uint16_t reciprocal_low_odd[8];
  std::uint16_t reciprocal_high_even[8];
  std::uint16_t reciprocal_high_odd[8];
};

// By slot / 16: the symbol of that slot, from where the search goes up.
inline constexpr int kWideShift = 4;
struct alignas(64) RansWideDecode {
  // Starts of symbols 1 to 255 as a binary tree: the root at 1, below node n nodes 2 n and 2 n + 1.
  // After eight levels, node 256 + s is symbol s.
  std::uint16_t tree[256];
  std::uint8_t from[kRansSlots >> kWideShift];
  std::uint16_t start[257];  // the last is 2^14, and ends the search
};
struct alignas(64) RansWideEncode {
  std::uint16_t frequency[256];
  std::uint16_t start[256];
  std::uint16_t reciprocal_low[256];
  std::uint16_t reciprocal_high[256];
};

// What a column uses: index into the nibble or into the wide tables.
struct RansColumn {
  std::uint32_t column = 0;
  std::uint32_t table : 31 = 0;
  std::uint32_t is_wide : 1 = 0;
};

template <class Nibble, class Wide>
struct RansTables {
  std::vector<RansColumn> columns;
  std::vector<Nibble> nibble;
  std::vector<Wide> wide;
};
using RansDecodeTables = RansTables<RansNibbleDecode, RansWideDecode>;
using RansEncodeTables = RansTables<RansNibbleEncode, RansWideEncode>;

RansDecodeTables decode_tables(const SymbolGroups& groups, const SymbolModel& model);
RansEncodeTables encode_tables(const SymbolGroups& groups, const SymbolModel& model);

// The model as the body takes it; the arrays are the owner's.
struct RansFlatModel {
  RansFlatModel(const SymbolGroups& groups, const SymbolModel& model);
  RansModelView view() const;

  std::vector<std::uint32_t> columns;
  std::vector<std::uint32_t> first;
  std::vector<std::uint8_t> bits;
  std::vector<std::uint16_t> frequency;
  std::vector<std::uint16_t> start;
};

}  // namespace sluice::kernels
