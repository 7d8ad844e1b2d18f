// SPDX-License-Identifier: Apache-2.0
// The profile's half of symbol_tables.hpp.
#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <vector>

#include "kernels/stages/entropy/symbol_tables.hpp"

namespace sluice::kernels {
namespace {

constexpr std::size_t kSymbolsMax = std::size_t{1} << kSymbolBitsMax;
constexpr int kKeptPrecision = 14;           // of the profile's frequencies
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
    for (const auto& [name, counts] : counts_) put_table(name, counts, profile);
    return {};
  }

 private:
  using Counts = std::vector<std::array<std::uint64_t, kSymbolsMax>>;  // by column

  static void put_table(const std::string& name, const Counts& counts, Profile& profile) {
    std::size_t symbols = 2;
    for (const auto& column : counts) {
      for (std::size_t s = symbols; s < kSymbolsMax; ++s) {
        if (column[s] != 0) symbols = std::bit_ceil(s + 1);
      }
    }
    std::vector<std::int32_t> kept;
    std::array<std::uint64_t, kSymbolsMax> weights{};
    std::array<std::uint16_t, kSymbolsMax> frequencies{};
    for (const auto& column : counts) {
      // What was not seen stays possible, at 1/256 of what was seen once.
      for (std::size_t s = 0; s < symbols; ++s) weights[s] = column[s] * 256 + 1;
      normalize_frequencies({weights.data(), symbols}, kKeptPrecision, frequencies.data());
      kept.insert(kept.end(), frequencies.begin(),
                  frequencies.begin() + static_cast<std::ptrdiff_t>(symbols));
    }
    profile.put(
        name, DType::kI32,
        {static_cast<std::int64_t>(counts.size()), static_cast<std::int64_t>(symbols)},
        {reinterpret_cast<const std::byte*>(kept.data()), kept.size() * sizeof(std::int32_t)});
  }

  std::string_view stage_;
  std::map<std::string, Counts> counts_;
};

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
  const TensorView tensor = SLUICE_TRY(plane.profile->require(name, DType::kI32, -1));
  const auto kept_symbols = static_cast<std::size_t>(tensor.rank == 2 ? tensor.shape[1] : 0);
  const bool has_rows =
      tensor.rank == 2 &&
      (is_family || tensor.shape[0] == static_cast<std::int64_t>(groups.all_columns));
  if (!has_rows || kept_symbols < 2 || kept_symbols > kSymbolsMax ||
      !std::has_single_bit(kept_symbols)) {
    return make_error(ErrorCode::kCorrupt, "the profile's '" + name + "' has another shape");
  }
  std::vector<std::array<std::uint64_t, kSymbolsMax>> weights(groups.group_bits.size());
  for (auto& group : weights) group.fill(0);
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
