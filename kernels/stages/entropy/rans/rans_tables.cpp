// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/rans/rans_tables.hpp"

#include <cstddef>
#include <limits>

#include "kernels/core/check.hpp"

namespace sluice::kernels {
namespace {

// By frequency: floor(2^32 / frequency), at most 2^32 - 1. Dividing anew for each table would take
// longer than coding a short plane.
std::vector<std::uint32_t> reciprocals() {
  std::vector<std::uint32_t> all = {0, std::numeric_limits<std::uint32_t>::max()};
  for (std::uint64_t divisor = 2; divisor < kRansSlots; ++divisor) {
    all.push_back(static_cast<std::uint32_t>((std::uint64_t{1} << 32) / divisor));
  }
  return all;
}

// One table of a model; symbols that it lacks start after the last slot.
struct Entries {
  explicit Entries(const SymbolModel& model, const SymbolModel::Table& table)
      : frequency(model.frequency.data() + table.first),
        start(model.start.data() + table.first),
        count(std::size_t{1} << table.bits) {}

  std::uint16_t frequency_of(std::size_t s) const { return s < count ? frequency[s] : 0; }
  std::uint32_t start_of(std::size_t s) const { return s < count ? start[s] : kRansSlots; }
  std::int16_t start_less_one(std::size_t s) const {
    return static_cast<std::int16_t>(static_cast<std::int32_t>(start_of(s)) - 1);
  }
  std::uint32_t reciprocal_of(std::size_t s) const {
    static const std::vector<std::uint32_t> kReciprocals = reciprocals();
    return kReciprocals[frequency_of(s)];
  }

  const std::uint16_t* frequency;
  const std::uint32_t* start;
  std::size_t count;
};

void fill(const Entries& entries, RansNibbleDecode& table) {
  for (std::size_t i = 0; i < 8; ++i) {
    table.level1[i] = entries.start_less_one(8);
    table.level2[i] = entries.start_less_one(4 + 8 * (i % 2));
    table.level3[i] = entries.start_less_one(2 + 4 * (i % 4));
    table.start_odd[i] = entries.start_less_one(2 * i + 1);
    table.start_even[i] = entries.start_less_one(2 * i);
    table.frequency_even[i] = entries.frequency_of(2 * i);
    table.frequency_odd[i] = entries.frequency_of(2 * i + 1);
  }
}

void fill(const Entries& entries, RansNibbleEncode& table) {
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint32_t even = entries.reciprocal_of(2 * i);
    const std::uint32_t odd = entries.reciprocal_of(2 * i + 1);
    table.frequency_even[i] = entries.frequency_of(2 * i);
    table.frequency_odd[i] = entries.frequency_of(2 * i + 1);
    table.start_even[i] = static_cast<std::uint16_t>(entries.start_of(2 * i));
    table.start_odd[i] = static_cast<std::uint16_t>(entries.start_of(2 * i + 1));
    table.reciprocal_low_even[i] = static_cast<std::uint16_t>(even);
    table.reciprocal_low_odd[i] = static_cast<std::uint16_t>(odd);
    table.reciprocal_high_even[i] = static_cast<std::uint16_t>(even >> 16);
    table.reciprocal_high_odd[i] = static_cast<std::uint16_t>(odd >> 16);
  }
}

void fill(const Entries& entries, RansWideDecode& table) {
  for (std::size_t s = 0; s < 257; ++s) {
    table.start[s] = static_cast<std::uint16_t>(entries.start_of(s));
  }
  table.tree[0] = 0;
  for (std::size_t first = 1; first < 256; first *= 2) {  // of a level
    for (std::size_t i = 0; i < first; ++i) {
      table.tree[first + i] = table.start[(2 * i + 1) * (128 / first)];
    }
  }
  constexpr std::size_t kPart = std::size_t{1} << kWideShift;
  std::size_t part = 0;
  for (std::size_t s = 0; s < 256; ++s) {
    const std::size_t parts =
        (table.start[s + 1] + kPart - 1) / kPart;  // that begin before it ends
    for (; part < parts; ++part) table.from[part] = static_cast<std::uint8_t>(s);
  }
}

void fill(const Entries& entries, RansWideEncode& table) {
  for (std::size_t s = 0; s < 256; ++s) {
    table.frequency[s] = entries.frequency_of(s);
    table.start[s] = static_cast<std::uint16_t>(entries.start_of(s));
    table.reciprocal_low[s] = static_cast<std::uint16_t>(entries.reciprocal_of(s));
    table.reciprocal_high[s] = static_cast<std::uint16_t>(entries.reciprocal_of(s) >> 16);
  }
}

template <class Tables>
Tables make_tables(const SymbolGroups& groups, const SymbolModel& model) {
  SLUICE_CHECK(model.precision == kRansPrecision, "a model of another precision");
  Tables tables;
  std::vector<RansColumn> by_table;
  for (const SymbolModel::Table& table : model.tables) {
    const Entries entries(model, table);
    RansColumn column;
    column.is_wide = table.bits > kNibbleBits ? 1U : 0U;
    if (column.is_wide != 0) {
      column.table = static_cast<std::uint32_t>(tables.wide.size()) & 0x7fffffffU;
      fill(entries, tables.wide.emplace_back());
    } else {
      column.table = static_cast<std::uint32_t>(tables.nibble.size()) & 0x7fffffffU;
      fill(entries, tables.nibble.emplace_back());
    }
    by_table.push_back(column);
  }
  tables.columns.reserve(groups.columns.size());
  for (std::size_t i = 0; i < groups.columns.size(); ++i) {
    RansColumn column = by_table[model.table_of_group[groups.group_of[i]]];
    column.column = groups.columns[i];
    tables.columns.push_back(column);
  }
  return tables;
}

}  // namespace

RansDecodeTables decode_tables(const SymbolGroups& groups, const SymbolModel& model) {
  return make_tables<RansDecodeTables>(groups, model);
}
RansEncodeTables encode_tables(const SymbolGroups& groups, const SymbolModel& model) {
  return make_tables<RansEncodeTables>(groups, model);
}

RansFlatModel::RansFlatModel(const SymbolGroups& groups, const SymbolModel& model)
    : columns(groups.columns), frequency(model.frequency) {
  for (const std::uint32_t group : groups.group_of) {
    const SymbolModel::Table& table = model.tables[model.table_of_group[group]];
    first.push_back(static_cast<std::uint32_t>(table.first));
    bits.push_back(table.bits);
  }
  for (const std::uint32_t at : model.start) start.push_back(static_cast<std::uint16_t>(at));
}

RansModelView RansFlatModel::view() const {
  return {.columns = columns.data(),
          .first = first.data(),
          .bits = bits.data(),
          .frequency = frequency.data(),
          .start = start.data()};
}

}  // namespace sluice::kernels
