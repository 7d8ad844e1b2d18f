// SPDX-License-Identifier: Apache-2.0
// Distributions with integer frequencies that add up to a power of two: the same on both sides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/stages/entropy/symbol_counts.hpp"
#include "kernels/stages/entropy/symbol_groups.hpp"

namespace sluice::kernels {

// Writes frequencies that add up to 2^precision and are in proportion to `weights`: at least 1
// where the weight is not 0, else 0; never 2^precision (so that a frequency fits 16 bits), so at
// least two are not 0. `weights.size()`: 2 to 256; precision: 9 to 16; the sum of the weights is
// below 2^47. The rule is part of the format; the stages' spec.md words it.
void normalize_frequencies(std::span<const std::uint64_t> weights, int precision,
                           std::uint16_t* frequencies);

// The same as normalize_frequencies() of the weights 256 c + 1: what was not seen stays possible,
// at 1/256 of what was seen once. Divides once for all that were not seen. Counts: at most
// kCountMost.
inline constexpr std::uint32_t kCountMost = std::uint32_t{1} << 30;
void normalize_counts(std::span<const std::uint32_t> counts, int precision,
                      std::uint16_t* frequencies);

// log2(value) in 1/256 of a bit, by integers alone, rounded down; value > 0.
std::uint32_t log2_q8(std::uint64_t value);

// Tables, and which group of columns uses which.
struct SymbolModel {
  struct Table {
    std::uint8_t bits = 0;
    std::size_t first = 0;  // into frequency and start; 2^bits entries
  };

  int precision = 0;
  std::vector<Table> tables;
  std::vector<std::uint16_t> frequency;
  std::vector<std::uint32_t> start;  // the sum of the frequencies before
  std::vector<std::uint32_t> table_of_group;

  // `weights`: 2^bits of them.
  void add_table(std::uint8_t bits, std::span<const std::uint64_t> weights);

  // What coding these counts takes, in 1/256 bits. Saturates where a counted symbol has no
  // frequency.
  std::uint64_t cost_q8(const SymbolGroups& groups, const SymbolCounts& counts) const;
};

}  // namespace sluice::kernels
