// SPDX-License-Identifier: Apache-2.0
// The profile's half of symbol_tables.hpp.
#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <vector>

#include "kernels/stages/entropy/symbol_histograms.hpp"
#include "kernels/stages/entropy/symbol_tables.hpp"

namespace sluice::kernels {
namespace {

constexpr std::size_t kSymbolsMax = std::size_t{1} << kSymbolBitsMax;
constexpr int kKeptPrecision = 14;           // of frequencies from the profile's counts
constexpr std::int32_t kKeptMost = 1 << 16;  // more is not a frequency

class TableCalibration final : public Calibration {
 public:
  explicit TableCalibration(std::string_view stage) : stage_(stage) {}

  Status observe(const Plane& plane, ConstMatrix rows) override {
    Counts& counts = counts_[static_tables_name(stage_, plane)];
    const auto columns = static_cast<std::size_t>(rows.columns);
    if (counts.empty()) counts.resize(columns);
    if (counts.size() != columns) {
      return make_error(ErrorCode::kInvalidArgument,
                        "calibration caches disagree on a plane's number of columns");
    }
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const float* at = rows.row(row);
      for (std::size_t column = 0; column < columns; ++column) {
        if (!(at[column] >= 0.0F && at[column] < static_cast<float>(kSymbolsMax))) {
          return make_error(ErrorCode::kInvalidArgument,
                            "symbol frequencies are learnt behind a quantizer only");
        }
        ++counts[column][static_cast<std::size_t>(at[column])];
      }
    }
    return {};
  }

  Status finish(Profile& profile) override {
    for (const auto& [name, counts] : counts_) put_histograms(name, counts, profile);
    return {};
  }

 private:
  using Counts = std::vector<std::array<std::uint32_t, kSymbolsMax>>;  // by column

  static void put_histograms(const std::string& name, const Counts& counts, Profile& profile) {
    std::size_t symbols = 2;
    for (const auto& column : counts) {
      for (std::size_t s = symbols; s < kSymbolsMax; ++s) {
        if (column[s] != 0) symbols = std::bit_ceil(s + 1);
      }
    }
    HistogramWriter histograms(symbols, counts.size());
    for (const auto& column : counts) histograms.put({column.data(), symbols});
    const std::vector<std::byte> bytes = histograms.take();
    profile.put(name, DType::kU8, {static_cast<std::int64_t>(bytes.size())}, bytes);
  }

  std::string_view stage_;
  std::map<std::string, Counts> counts_;
};

// The sums of a group's columns, symbol by symbol.
using GroupWeights = std::vector<std::array<std::uint64_t, kSymbolsMax>>;

Error of_another_shape(const std::string& name) {
  return make_error(ErrorCode::kCorrupt, "the profile's '" + name + "' has another shape");
}

// Of an I32 tensor: [columns][symbols], or [contexts][symbols] of a family.
Status add_frequencies(const std::string& name, const TensorView& tensor, const SymbolShape& shape,
                       const SymbolGroups& groups, GroupWeights& weights) {
  const bool is_family = !shape.family.empty();
  const auto kept_symbols = static_cast<std::size_t>(tensor.rank == 2 ? tensor.shape[1] : 0);
  const bool has_rows =
      tensor.rank == 2 &&
      (is_family || tensor.shape[0] == static_cast<std::int64_t>(groups.all_columns));
  if (!has_rows || kept_symbols < 2 || kept_symbols > kSymbolsMax ||
      !std::has_single_bit(kept_symbols)) {
    return of_another_shape(name);
  }
  for (std::size_t i = 0; i < groups.columns.size(); ++i) {
    const std::size_t group = groups.group_of[i];
    const std::size_t column = groups.columns[i];
    const std::size_t row = is_family ? shape.context[column] : column;
    if (row >= static_cast<std::size_t>(tensor.shape[0])) {
      return make_error(ErrorCode::kCorrupt, "the profile's '" + name + "' lacks a context");
    }
    const std::int32_t* kept = tensor.as<std::int32_t>() + row * kept_symbols;
    const std::size_t shared = std::min(kept_symbols, std::size_t{1} << groups.group_bits[group]);
    for (std::size_t s = 0; s < shared; ++s) {
      weights[group][s] += static_cast<std::uint64_t>(std::clamp(kept[s], 0, kKeptMost));
    }
  }
  return {};
}

// Of a U8 tensor: symbol_histograms.hpp.
Status add_histograms(const std::string& name, const TensorView& tensor, const SymbolGroups& groups,
                      GroupWeights& weights) {
  auto histograms = HistogramReader::open({tensor.data, tensor.bytes()});
  if (!histograms || histograms->columns() != groups.all_columns) return of_another_shape(name);
  const std::size_t symbols = histograms->symbols();
  std::array<std::uint32_t, kSymbolsMax> counts{};
  std::array<std::uint16_t, kSymbolsMax> frequencies{};
  std::size_t column = 0;
  for (std::size_t i = 0; i < groups.columns.size(); ++i) {
    for (; column <= groups.columns[i]; ++column) {
      if (!histograms->next({counts.data(), symbols})) return of_another_shape(name);
    }
    normalize_counts({counts.data(), symbols}, kKeptPrecision, frequencies.data());
    const std::size_t group = groups.group_of[i];
    const std::size_t shared = std::min(symbols, std::size_t{1} << groups.group_bits[group]);
    for (std::size_t s = 0; s < shared; ++s) weights[group][s] += frequencies[s];
  }
  return {};
}

}  // namespace

std::string static_tables_name(std::string_view stage, const Plane& plane) {
  std::string what = std::string(stage) + "." + std::string(plane.tables) + ".freq.level" +
                     std::to_string(plane.level);
  if (plane.head_count != plane.shape->kv_heads) {
    what += ".h" + std::to_string(plane.head_first) + "-" +
            std::to_string(plane.head_first + plane.head_count - 1);
  }
  return profile_name(what, plane.is_key(), plane.layer_first);
}

Result<SymbolModel> static_model(std::string_view stage, const Plane& plane,
                                 const SymbolShape& shape, const SymbolGroups& groups,
                                 int precision) {
  const bool is_family = !shape.family.empty();
  const std::string name = is_family ? shape.family : static_tables_name(stage, plane);
  if (plane.profile == nullptr) {
    return make_error(ErrorCode::kNotFound, "no profile, and so no '" + name + "'");
  }
  GroupWeights weights(groups.group_bits.size());
  for (auto& group : weights) group.fill(0);
  const auto found = plane.profile->find(name);
  if (found && found->dtype == DType::kU8 && !is_family) {
    SLUICE_TRY(add_histograms(name, *found, groups, weights));
  } else {
    const TensorView tensor = SLUICE_TRY(plane.profile->require(name, DType::kI32, -1));
    SLUICE_TRY(add_frequencies(name, tensor, shape, groups, weights));
  }
  SymbolModel model;
  model.precision = precision;
  for (std::size_t group = 0; group < weights.size(); ++group) {
    const std::size_t symbols = std::size_t{1} << groups.group_bits[group];
    for (auto& weight : weights[group]) weight = std::max<std::uint64_t>(weight, 1);
    model.add_table(groups.group_bits[group], {weights[group].data(), symbols});
    model.table_of_group.push_back(static_cast<std::uint32_t>(group));
  }
  return model;
}

std::unique_ptr<Calibration> calibrate_tables(std::string_view stage) {
  return std::make_unique<TableCalibration>(stage);
}

}  // namespace sluice::kernels
