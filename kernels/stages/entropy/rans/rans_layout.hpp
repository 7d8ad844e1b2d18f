// SPDX-License-Identifier: Apache-2.0
// How a plane is cut for rANS: the same on the encoder, the decoder, the CPU and the GPU.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

inline constexpr std::int64_t kRansLanes = 32;
// States are in [2^16, 2^32), between symbols; frequencies add up to 2^14. With four times as many
// slots as the usual 2^12 a rare symbol costs less, and the states' rounding still costs 0.01 %.
inline constexpr int kRansPrecision = 14;
inline constexpr std::uint32_t kRansSlots = 1U << kRansPrecision;
inline constexpr std::uint32_t kRansStateMin = 1U << 16;
// As packed bits: 64 Ki symbols of 4 bits. A block's own 132 bytes, of which the states fill half,
// are 0.2 % of that, and a layer has tens of blocks.
inline constexpr std::int64_t kRansBlockBits = std::int64_t{1} << 18;

// Rows go in teams of 32, one row per lane; a block is whole teams.
struct RansLayout {
  std::int64_t rows = 0;
  std::int64_t columns = 0;   // active ones
  std::int64_t row_bits = 0;  // the sum of their bits

  SLUICE_HOST_DEVICE std::int64_t lanes() const { return rows < kRansLanes ? rows : kRansLanes; }
  SLUICE_HOST_DEVICE std::int64_t teams() const { return (rows + kRansLanes - 1) / kRansLanes; }
  SLUICE_HOST_DEVICE std::int64_t blocks() const {
    const std::int64_t wanted = (rows * row_bits + kRansBlockBits - 1) / kRansBlockBits;
    return wanted < teams() ? wanted : teams();
  }
  // Block b has the teams [first_team(b), first_team(b + 1)).
  SLUICE_HOST_DEVICE std::int64_t first_team(std::int64_t block) const {
    return teams() * block / blocks();
  }
  SLUICE_HOST_DEVICE std::int64_t rows_of(std::int64_t team) const {
    const std::int64_t left = rows - team * kRansLanes;
    return left < kRansLanes ? left : kRansLanes;
  }
  // Words of 16 bits that a block takes at most: each symbol gives one at most, and the states two.
  SLUICE_HOST_DEVICE std::int64_t words_max(std::int64_t block) const {
    const std::int64_t teams_of = first_team(block + 1) - first_team(block);
    return teams_of * kRansLanes * columns + 2 * kRansLanes;
  }
};

}  // namespace sluice::kernels
