// SPDX-License-Identifier: Apache-2.0
// The sent half of symbol_tables.hpp: groups with alike distributions share a table (Lloyd's
// iteration with the coded size as the distance), and a table is one byte per symbol.
#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/stages/entropy/symbol_tables.hpp"

namespace sluice::kernels {
namespace {

constexpr std::size_t kTablesMax = 64;  // per number of bits, as the encoder chooses
// So many symbols a table must have for each of its bytes: more tables fit closer, but cost more.
constexpr std::uint64_t kSymbolsPerByte = 2048;
constexpr std::uint64_t kSymbolsPerWideByte = 512;
constexpr int kIterations = 2;
constexpr int kFullTableBits = 4;                // larger tables leave out zeros at both ends
constexpr std::uint32_t kImpossible = 1U << 20;  // the cost, per symbol, of no frequency

// A weight as one byte: 0, or (8 + m) << e with the byte 1 + 8 e + m. Weights 1, 2, 3, ... are
// taken eightfold, so that small counts are exact.
std::uint64_t weight_of(std::uint8_t code) {
  if (code == 0) return 0;
  return static_cast<std::uint64_t>(8 + (code - 1) % 8) << ((code - 1) / 8);
}

std::uint8_t code_of(std::uint64_t count) {
  if (count == 0) return 0;
  const std::uint64_t weight = std::min(count, std::uint64_t{1} << 31) * 8;
  int exponent = 60 - std::countl_zero(weight);
  std::uint64_t mantissa = (weight + ((std::uint64_t{1} << exponent) >> 1)) >> exponent;
  if (mantissa == 16) {
    mantissa = 8;
    ++exponent;
  }
  return static_cast<std::uint8_t>(
      std::min<std::uint64_t>(1 + 8 * static_cast<std::uint64_t>(exponent) + mantissa - 8, 255));
}

// One table as it is sent.
using Codes = std::vector<std::uint8_t>;  // 2^bits

Codes codes_of(const std::vector<std::uint64_t>& counts) {
  Codes codes(counts.size());
  std::transform(counts.begin(), counts.end(), codes.begin(), code_of);
  return codes;
}

// The groups of one number of bits, and the tables they get.
class TableClasses {
 public:
  TableClasses(std::uint8_t bits, const SymbolGroups& groups, const SymbolCounts& counts,
               int precision)
      : bits_(bits), symbols_(std::size_t{1} << bits), precision_(precision) {
    for (std::uint32_t group = 0; group < groups.group_bits.size(); ++group) {
      if (groups.group_bits[group] != bits) continue;
      groups_.push_back(group);
      counts_.push_back(counts.counts.data() + counts.first[group]);
    }
    start();
    for (int i = 0; i < kIterations && tables_.size() > 1; ++i) improve();
    drop_unused();
  }

  const std::vector<std::uint32_t>& groups() const { return groups_; }
  const std::vector<std::uint32_t>& choice() const { return choice_; }  // by group
  const std::vector<Codes>& tables() const { return tables_; }

 private:
  // Groups in the order of their entropy, cut in equal parts.
  void start() {
    std::uint64_t all = 0;
    std::vector<std::uint64_t> entropy_q8;
    for (const std::uint64_t* counts : counts_) {
      const std::uint64_t total = std::accumulate(counts, counts + symbols_, std::uint64_t{0});
      std::uint64_t bits = 0;
      for (std::size_t s = 0; s < symbols_; ++s) {
        if (counts[s] != 0) bits += counts[s] * (log2_q8(total) - log2_q8(counts[s]));
      }
      entropy_q8.push_back(total == 0 ? 0 : bits / total);
      all += total;
    }
    const std::size_t wanted = static_cast<std::size_t>(
        all / ((bits_ > kFullTableBits ? kSymbolsPerWideByte : kSymbolsPerByte) * symbols_));
    const std::size_t tables =
        std::clamp(wanted, std::size_t{1}, std::min(kTablesMax, groups_.size()));
    std::vector<std::uint32_t> order(groups_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return entropy_q8[a] < entropy_q8[b];
    });
    choice_.resize(groups_.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      choice_[order[i]] = static_cast<std::uint32_t>(i * tables / order.size());
    }
    tables_.resize(tables);
    sum_up();
  }

  // Each table from the counts of its groups.
  void sum_up() {
    std::vector<std::vector<std::uint64_t>> sums(tables_.size());
    for (auto& sum : sums) sum.resize(symbols_);
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      for (std::size_t s = 0; s < symbols_; ++s) sums[choice_[i]][s] += counts_[i][s];
    }
    for (std::size_t table = 0; table < tables_.size(); ++table) {
      tables_[table] = codes_of(sums[table]);
    }
  }

  void improve() {
    std::vector<std::uint32_t> costs;  // [table][symbol], in 1/256 bits
    for (const Codes& table : tables_) append_costs(table, costs);
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
      for (std::size_t table = 0; table < tables_.size(); ++table) {
        const std::uint32_t* by_symbol = costs.data() + table * symbols_;
        std::uint64_t cost = 0;
        for (std::size_t s = 0; s < symbols_; ++s) cost += counts_[i][s] * by_symbol[s];
        if (cost < least) choice_[i] = static_cast<std::uint32_t>(table);
        least = std::min(least, cost);
      }
    }
    sum_up();
  }

  void append_costs(const Codes& table, std::vector<std::uint32_t>& costs) const {
    std::uint64_t weights[256];
    std::uint16_t frequencies[256];
    std::transform(table.begin(), table.end(), weights, weight_of);
    normalize_frequencies({weights, symbols_}, precision_, frequencies);
    for (std::size_t s = 0; s < symbols_; ++s) {
      const auto all = static_cast<std::uint32_t>(precision_) * 256;
      costs.push_back(frequencies[s] == 0 ? kImpossible : all - log2_q8(frequencies[s]));
    }
  }

  void drop_unused() {
    std::vector<std::uint32_t> place(tables_.size(), 0);
    for (const std::uint32_t table : choice_) place[table] = 1;
    std::vector<Codes> used;
    for (std::size_t table = 0; table < tables_.size(); ++table) {
      const bool is_used = place[table] != 0;
      place[table] = static_cast<std::uint32_t>(used.size());
      if (is_used) used.push_back(std::move(tables_[table]));
    }
    tables_ = std::move(used);
    for (std::uint32_t& table : choice_) table = place[table];
  }

  std::uint8_t bits_;
  std::size_t symbols_;
  int precision_;
  std::vector<std::uint32_t> groups_;
  std::vector<const std::uint64_t*> counts_;
  std::vector<std::uint32_t> choice_;
  std::vector<Codes> tables_;
};

void write_codes(const Codes& codes, ByteWriter& out) {
  std::size_t first = 0;
  std::size_t last = codes.size() - 1;
  if (codes.size() > std::size_t{1} << kFullTableBits) {
    while (first < last && codes[first] == 0) ++first;
    while (last > first && codes[last] == 0) --last;
    out.put(static_cast<std::uint8_t>(first));
    out.put(static_cast<std::uint8_t>(last));
  }
  for (std::size_t s = first; s <= last; ++s) out.put(codes[s]);
}

Result<std::vector<std::uint64_t>> read_weights(std::uint8_t bits, ByteReader& in) {
  std::vector<std::uint64_t> weights(std::size_t{1} << bits);
  std::size_t first = 0;
  std::size_t last = weights.size() - 1;
  if (bits > kFullTableBits) {
    first = SLUICE_TRY(in.get<std::uint8_t>());
    last = SLUICE_TRY(in.get<std::uint8_t>());
    if (first > last || last >= weights.size()) {
      return make_error(ErrorCode::kCorrupt, "a symbol table's ends are no symbols");
    }
  }
  bool is_empty = true;
  for (std::size_t s = first; s <= last; ++s) {
    weights[s] = weight_of(SLUICE_TRY(in.get<std::uint8_t>()));
    is_empty &= weights[s] == 0;
  }
  if (is_empty) return make_error(ErrorCode::kCorrupt, "a symbol table without a symbol");
  return weights;
}

// Bits that tell `tables` tables apart.
int choice_bits(std::size_t tables) { return static_cast<int>(std::bit_width(tables - 1)); }

}  // namespace

void write_tables(const SymbolGroups& groups, const SymbolCounts& counts, int precision,
                  ByteWriter& out) {
  std::vector<std::uint32_t> choice(groups.group_bits.size());
  std::vector<std::size_t> tables(kSymbolBitsMax + 1);
  ByteWriter codes;
  for (std::uint8_t bits = 1; bits <= kSymbolBitsMax; ++bits) {
    if (std::find(groups.group_bits.begin(), groups.group_bits.end(), bits) ==
        groups.group_bits.end()) {
      continue;
    }
    const TableClasses classes(bits, groups, counts, precision);
    out.put(static_cast<std::uint8_t>(classes.tables().size() - 1));
    for (const Codes& table : classes.tables()) write_codes(table, codes);
    for (std::size_t i = 0; i < classes.groups().size(); ++i) {
      choice[classes.groups()[i]] = classes.choice()[i];
    }
    tables[bits] = classes.tables().size();
  }
  for (const std::byte byte : codes.bytes()) out.put(byte);
  std::uint32_t held = 0;
  int held_bits = 0;
  for (std::size_t group = 0; group < choice.size(); ++group) {
    held |= choice[group] << held_bits;
    held_bits += choice_bits(tables[groups.group_bits[group]]);
    for (; held_bits >= 8; held_bits -= 8, held >>= 8) out.put(static_cast<std::uint8_t>(held));
  }
  if (held_bits > 0) out.put(static_cast<std::uint8_t>(held));
}

Result<SymbolModel> read_tables(const SymbolGroups& groups, int precision, ByteReader& in) {
  SymbolModel model;
  model.precision = precision;
  std::vector<std::size_t> tables(kSymbolBitsMax + 1);
  for (const std::uint8_t bits : groups.group_bits) tables[bits] = 1;
  for (std::size_t& count : tables) {
    if (count != 0) count = std::size_t{SLUICE_TRY(in.get<std::uint8_t>())} + 1;
  }
  std::vector<std::size_t> first(kSymbolBitsMax + 1);
  for (std::uint8_t bits = 1; bits <= kSymbolBitsMax; ++bits) {
    first[bits] = model.tables.size();
    for (std::size_t i = 0; i < tables[bits]; ++i) {
      model.add_table(bits, SLUICE_TRY(read_weights(bits, in)));
    }
  }
  std::uint32_t held = 0;
  int held_bits = 0;
  for (const std::uint8_t bits : groups.group_bits) {
    const int wanted = choice_bits(tables[bits]);
    if (held_bits < wanted) {
      held |= std::uint32_t{SLUICE_TRY(in.get<std::uint8_t>())} << held_bits;
      held_bits += 8;
    }
    const std::uint32_t choice = held & ((1U << wanted) - 1);
    held >>= wanted;
    held_bits -= wanted;
    if (choice >= tables[bits]) {
      return make_error(ErrorCode::kCorrupt, "a column names a symbol table that is not there");
    }
    model.table_of_group.push_back(static_cast<std::uint32_t>(first[bits] + choice));
  }
  if (held != 0) return make_error(ErrorCode::kCorrupt, "symbol tables end in a stray bit");
  return model;
}

}  // namespace sluice::kernels
