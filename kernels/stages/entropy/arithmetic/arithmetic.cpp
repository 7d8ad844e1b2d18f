// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/arithmetic/arithmetic.hpp"

#include <algorithm>
#include <memory>

#include "kernels/stages/entropy/arithmetic/range_coder.hpp"
#include "kernels/stages/entropy/plane_coder.hpp"
#include "kernels/stages/entropy/symbol_tables.hpp"

namespace sluice::kernels {
namespace {

constexpr const char* kName = "arithmetic";

class ArithmeticCoder final : public SymbolCoder {
 public:
  std::string_view name() const override { return kName; }
  int precision() const override { return kRangePrecision; }

  std::vector<std::byte> encode(const SymbolGroups& groups, const SymbolModel& model,
                                std::int64_t rows, const std::uint8_t* symbols) const override {
    RangeEncoder encoder;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::uint8_t* at = symbols + static_cast<std::size_t>(row) * groups.all_columns;
      for (std::size_t i = 0; i < groups.columns.size(); ++i) {
        encoder.put(span_of(model, table_of(groups, model, i), at[groups.columns[i]]));
      }
    }
    return encoder.finish();
  }

  Status decode(const SymbolGroups& groups, const SymbolModel& model, std::int64_t rows, Bytes in,
                std::uint8_t* symbols) const override {
    RangeDecoder decoder(in);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::uint8_t* at = symbols + static_cast<std::size_t>(row) * groups.all_columns;
      for (std::size_t i = 0; i < groups.columns.size(); ++i) {
        const SymbolModel::Table& table = table_of(groups, model, i);
        const std::uint32_t* start = model.start.data() + table.first;
        const std::uint32_t* end = start + (std::size_t{1} << table.bits);
        // The last symbol that starts at the slot or before it has a frequency.
        const auto symbol =
            static_cast<std::size_t>(std::upper_bound(start, end, decoder.slot()) - start - 1);
        decoder.take(span_of(model, table, symbol));
        at[groups.columns[i]] = static_cast<std::uint8_t>(symbol);
      }
    }
    if (!decoder.is_at_end()) {
      return make_error(ErrorCode::kCorrupt, "arithmetic-coded symbols end elsewhere");
    }
    return {};
  }

 private:
  static const SymbolModel::Table& table_of(const SymbolGroups& groups, const SymbolModel& model,
                                            std::size_t i) {
    return model.tables[model.table_of_group[groups.group_of[i]]];
  }
  static SymbolSpan span_of(const SymbolModel& model, const SymbolModel::Table& table,
                            std::size_t symbol) {
    return {.start = model.start[table.first + symbol],
            .frequency = model.frequency[table.first + symbol]};
  }
};

class ArithmeticStage final : public EntropyStage {
 public:
  explicit ArithmeticStage(TableSource source) : source_(source) {}

  // Tables are learnt for whole layers; `auto` sends them with what has none.
  bool needs_all_heads() const override { return source_ == TableSource::kStatic; }
  std::unique_ptr<Calibration> calibration() const override {
    return source_ == TableSource::kAdaptive ? nullptr : calibrate_tables(kName);
  }
  Status encode(const Plane& plane, const SymbolShape& shape, std::int64_t rows,
                const std::uint8_t* symbols, ByteWriter& out) const override {
    return encode_plane(coder_, source_, plane, shape, rows, symbols, out);
  }
  Status decode(const Plane& plane, const SymbolShape& shape, std::int64_t rows, Bytes in,
                std::uint8_t* symbols) const override {
    return decode_plane(coder_, plane, shape, rows, in, symbols);
  }

 private:
  ArithmeticCoder coder_;
  TableSource source_;
};

constexpr ParameterRow kParameters[] = {
    {.name = "tables",
     .kind = ParameterKind::kChoice,
     .fallback = 0,
     .least = 0,
     .most = 2,
     .choices = kTableSources,
     .summary = "where distributions come from: the profile, the frame, or what is smaller"},
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(
      std::make_unique<ArithmeticStage>(static_cast<TableSource>(parameters.choice("tables"))));
}

}  // namespace

StageRow arithmetic_row() {
  return {.id = 401,
          .name = kName,
          .role = StageRole::kEntropy,
          .version = 1,
          .parameters = kParameters,
          .summary =
              "one range-coded stream, a distribution per layer and channel (CacheGen, "
              "arXiv 2310.07240, 5.2)",
          .create = create};
}

}  // namespace sluice::kernels
