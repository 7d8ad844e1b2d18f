// SPDX-License-Identifier: Apache-2.0
// Symbols of up to 4 bits: a vector has one row of neighbouring columns, and counts in bytes what
// equals each of 16 values. Wider symbols: one by one.
#include "kernels/stages/entropy/symbol_counts.hpp"

#include <algorithm>

#include "kernels/core/check.hpp"

// Scalable vectors cannot be kept in arrays.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/entropy/symbol_counts.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kRowsPerPass = 255;  // what a byte counts
constexpr std::size_t kValuesAtOnce = 8;    // as many counters as registers

using ByteTag = hn::CappedTag<std::uint8_t, 64>;
constexpr std::size_t kWidth = hn::MaxLanes(ByteTag());

// Adds to counts[16 * column + value] for kWidth columns, in `rows` rows from `symbols` on.
void count_pass(const std::uint8_t* symbols, std::size_t stride, std::int64_t rows,
                std::uint32_t* counts) {
  const ByteTag tag;
  for (std::size_t value = 0; value < 16; value += kValuesAtOnce) {
    hn::Vec<ByteTag> sums[kValuesAtOnce];
    for (auto& sum : sums) sum = hn::Zero(tag);
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto here = hn::LoadU(tag, symbols + static_cast<std::size_t>(row) * stride);
      for (std::size_t i = 0; i < kValuesAtOnce; ++i) {
        const auto is_value = hn::Eq(here, hn::Set(tag, static_cast<std::uint8_t>(value + i)));
        sums[i] = hn::Sub(sums[i], hn::VecFromMask(tag, is_value));
      }
    }
    for (std::size_t i = 0; i < kValuesAtOnce; ++i) {
      std::uint8_t bytes[kWidth];
      hn::StoreU(sums[i], tag, bytes);
      for (std::size_t lane = 0; lane < kWidth; ++lane)
        counts[16 * lane + value + i] += bytes[lane];
    }
  }
}

// counts: [columns][16], of the first columns that fill vectors; returns how many those are.
std::size_t count_nibbles(const std::uint8_t* symbols, std::size_t columns, std::int64_t rows,
                          std::uint32_t* counts) {
  const std::size_t counted = columns / kWidth * kWidth;
  for (std::int64_t row = 0; row < rows; row += kRowsPerPass) {
    const std::uint8_t* from = symbols + static_cast<std::size_t>(row) * columns;
    for (std::size_t column = 0; column < counted; column += kWidth) {
      count_pass(from + column, columns, std::min(kRowsPerPass, rows - row), counts + 16 * column);
    }
  }
  return counted;
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {
namespace {

HWY_EXPORT(count_nibbles);

constexpr std::uint8_t kNibbleBits = 4;

}  // namespace

SymbolCounts count_symbols(const SymbolGroups& groups, std::int64_t rows,
                           const std::uint8_t* symbols) {
  SLUICE_CHECK(rows < std::int64_t{1} << 32, "more rows than a count holds");
  SymbolCounts counts;
  std::size_t all = 0;
  for (const std::uint8_t bits : groups.group_bits) {
    counts.first.push_back(all);
    all += std::size_t{1} << bits;
  }
  counts.counts.resize(all);
  const auto bits_of = [&](std::size_t i) { return groups.group_bits[groups.group_of[i]]; };

  std::vector<std::uint32_t> nibbles(16 * groups.all_columns);
  const std::size_t counted =
      HWY_DYNAMIC_DISPATCH(count_nibbles)(symbols, groups.all_columns, rows, nibbles.data());
  // The others, by column first: neighbours then never wait for each other's increments.
  std::vector<std::size_t> others;
  std::vector<std::size_t> first;
  std::size_t size = 0;
  for (std::size_t i = 0; i < groups.columns.size(); ++i) {
    if (bits_of(i) <= kNibbleBits && groups.columns[i] < counted) continue;
    others.push_back(i);
    first.push_back(size);
    size += std::size_t{1} << bits_of(i);
  }
  std::vector<std::uint32_t> of_others(size);
  for (std::int64_t row = 0; row < rows && !others.empty(); ++row) {
    const std::uint8_t* at = symbols + static_cast<std::size_t>(row) * groups.all_columns;
    for (std::size_t k = 0; k < others.size(); ++k) {
      ++of_others[first[k] + at[groups.columns[others[k]]]];
    }
  }
  std::size_t k = 0;
  for (std::size_t i = 0; i < groups.columns.size(); ++i) {
    const bool is_other = k < others.size() && others[k] == i;
    const std::uint32_t* from =
        is_other ? of_others.data() + first[k++] : nibbles.data() + 16 * groups.columns[i];
    std::uint64_t* to = counts.counts.data() + counts.first[groups.group_of[i]];
    for (std::size_t s = 0; s < std::size_t{1} << bits_of(i); ++s) to[s] += from[s];
  }
  return counts;
}

}  // namespace sluice::kernels
#endif
