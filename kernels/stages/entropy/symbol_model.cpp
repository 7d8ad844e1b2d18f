// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_model.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "kernels/core/check.hpp"

namespace sluice::kernels {
namespace {

// Adds what is missing to the first of the largest frequencies, or takes what is too much from it,
// at most half of it at a time.
void settle_sum(std::span<std::uint32_t> frequencies, std::int64_t missing) {
  while (missing != 0) {
    const auto largest = std::max_element(frequencies.begin(), frequencies.end());
    const std::int64_t change = std::max(missing, -static_cast<std::int64_t>(*largest / 2));
    *largest = static_cast<std::uint32_t>(*largest + change);
    missing -= change;
  }
}

// log2(1 + i / 256) in 1/256, by squaring: each square gives the next bit of the logarithm.
struct LogTable {
  std::uint8_t q8[256];
};
constexpr LogTable make_logs() {
  LogTable logs{};
  for (std::uint64_t i = 0; i < 256; ++i) {
    std::uint64_t mantissa = (256 + i) << 23;  // in [1, 2), 31 bits below the point
    std::uint32_t log = 0;
    for (int bit = 0; bit < 8; ++bit) {
      mantissa = (mantissa * mantissa) >> 31;
      const std::uint64_t carry = mantissa >> 32;
      mantissa >>= carry;
      log = 2 * log + static_cast<std::uint32_t>(carry);
    }
    logs.q8[i] = static_cast<std::uint8_t>(log);
  }
  return logs;
}

}  // namespace

void normalize_frequencies(std::span<const std::uint64_t> weights, int precision,
                           std::uint16_t* frequencies) {
  const std::uint64_t scale = std::uint64_t{1} << precision;
  const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  SLUICE_CHECK(weights.size() >= 2 && weights.size() <= 256, "not a table of symbols");
  // The profile's tables mostly have the sum already: nothing to divide, nothing to settle.
  if (sum == scale && *std::max_element(weights.begin(), weights.end()) != scale) {
    std::transform(weights.begin(), weights.end(), frequencies,
                   [](std::uint64_t weight) { return static_cast<std::uint16_t>(weight); });
    return;
  }
  std::uint32_t exact[256] = {};
  std::int64_t missing = static_cast<std::int64_t>(scale);
  for (std::size_t s = 0; s < weights.size() && sum != 0; ++s) {
    if (weights[s] == 0) continue;
    const std::uint64_t rounded = (weights[s] * scale + sum / 2) / sum;
    exact[s] = static_cast<std::uint32_t>(std::max<std::uint64_t>(rounded, 1));
    missing -= exact[s];
  }
  settle_sum({exact, weights.size()}, missing);
  for (std::size_t s = 0; s < weights.size(); ++s) {
    if (exact[s] != scale) continue;
    --exact[s];
    ++exact[s == 0 ? 1 : 0];
    break;
  }
  for (std::size_t s = 0; s < weights.size(); ++s) {
    frequencies[s] = static_cast<std::uint16_t>(exact[s]);
  }
}

void normalize_counts(std::span<const std::uint32_t> counts, int precision,
                      std::uint16_t* frequencies) {
  SLUICE_CHECK(counts.size() >= 2 && counts.size() <= 256, "not a table of symbols");
  const std::uint64_t scale = std::uint64_t{1} << precision;
  const std::uint64_t sum =
      256 * std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}) + counts.size();
  const auto share = [&](std::uint64_t weight) {
    return static_cast<std::uint32_t>(std::max<std::uint64_t>((weight * scale + sum / 2) / sum, 1));
  };
  const std::uint32_t unseen = share(1);
  std::uint32_t exact[256];
  std::int64_t missing = static_cast<std::int64_t>(scale);
  for (std::size_t s = 0; s < counts.size(); ++s) {
    exact[s] = counts[s] == 0 ? unseen : share(std::uint64_t{256} * counts[s] + 1);
    missing -= exact[s];
  }
  // No symbol gets all: each has at least 1.
  settle_sum({exact, counts.size()}, missing);
  std::transform(exact, exact + counts.size(), frequencies,
                 [](std::uint32_t frequency) { return static_cast<std::uint16_t>(frequency); });
}

std::uint32_t log2_q8(std::uint64_t value) {
  static constexpr LogTable kLogs = make_logs();
  const int whole = 63 - std::countl_zero(value);
  const std::uint64_t fraction = (value << (63 - whole)) >> 55 & 0xff;  // 8 bits after the first
  return static_cast<std::uint32_t>(whole) * 256 + kLogs.q8[fraction];
}

void SymbolModel::add_table(std::uint8_t bits, std::span<const std::uint64_t> weights) {
  const std::size_t first = frequency.size();
  tables.push_back({bits, first});
  frequency.resize(first + weights.size());
  start.resize(first + weights.size());
  normalize_frequencies(weights, precision, frequency.data() + first);
  std::uint32_t sum = 0;
  for (std::size_t s = 0; s < weights.size(); ++s) {
    start[first + s] = sum;
    sum += frequency[first + s];
  }
}

std::uint64_t SymbolModel::cost_q8(const SymbolGroups& groups, const SymbolCounts& counts) const {
  const std::uint32_t all = static_cast<std::uint32_t>(precision) * 256;
  std::uint64_t cost = 0;
  for (std::size_t group = 0; group < groups.group_bits.size(); ++group) {
    const Table& table = tables[table_of_group[group]];
    for (std::size_t s = 0; s < std::size_t{1} << table.bits; ++s) {
      const std::uint64_t count = counts.counts[counts.first[group] + s];
      if (count == 0) continue;
      const std::uint16_t held = frequency[table.first + s];
      if (held == 0) return std::numeric_limits<std::uint64_t>::max();
      cost += count * (all - log2_q8(held));
    }
  }
  return cost;
}

}  // namespace sluice::kernels
