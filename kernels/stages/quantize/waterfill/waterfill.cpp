// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/waterfill/waterfill.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/stages/quantize/waterfill/deviation_class.hpp"
#include "kernels/stages/quantize/waterfill/water_symbols.hpp"

namespace sluice::kernels {
namespace {

// The first tokens are like no others.
constexpr std::int32_t kSinkTokens = 4;

constexpr std::array kParameters = {kWaterStep, kWaterLevels, kWaterRounding};

// What both sides know of a plane.
struct Water {
  WaterScale scale;
  SymbolShape shape;  // contexts are the classes
};

class Encoder final : public QuantizePlan {
 public:
  explicit Encoder(Water water)
      : water_(std::move(water)),
        reaches_(water_.shape.context),
        numbers_(water_.shape.bits.size()) {}
  const SymbolShape& symbols() const override { return water_.shape; }
  std::size_t side_bytes_max(std::int64_t rows) const override {
    return static_cast<std::size_t>(rows) * water_.shape.bits.size() * sizeof(std::int32_t);
  }

  std::size_t encode(std::int64_t /*row_first*/, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    const float inverse = 1.0F / water_.scale.step;
    const std::size_t columns = numbers_.size();
    std::byte* at = side;
    for (std::int64_t row = 0; row < rows.rows; ++row, symbols += columns) {
      water_numbers({rows.row(row), columns}, inverse, water_.scale.rounding, numbers_.data());
      if (!water_symbols(numbers_, reaches_, 0, symbols)) continue;
      for (std::size_t column = 0; column < columns; ++column) {
        if (symbols[column] != reaches_.escape[column]) continue;
        std::memcpy(at, &numbers_[column], sizeof numbers_[column]);
        at += sizeof numbers_[column];
      }
    }
    return static_cast<std::size_t>(at - side);
  }

 private:
  Water water_;
  WaterReaches reaches_;
  std::vector<std::int32_t> numbers_;  // of a row
};

class Decoder final : public DequantizePlan {
 public:
  explicit Decoder(Water water)
      : water_(std::move(water)), reaches_(water_.shape.context), tables_(water_.scale.values()) {}
  const SymbolShape& symbols() const override { return water_.shape; }

  Result<std::size_t> decode(std::int64_t /*row_first*/, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    std::size_t used = 0;
    const std::uint16_t* classes = water_.shape.context.data();
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      float* values = rows.row(row);
      for (std::int64_t column = 0; column < rows.columns; ++column) {
        const std::uint8_t symbol = *symbols++;
        values[column] = tables_[std::size_t{classes[column]} * kWaterSymbols + symbol];
        if (symbol != reaches_.escape[static_cast<std::size_t>(column)]) continue;
        std::int32_t number = 0;
        if (side.size() - used < sizeof number) {
          return make_error(ErrorCode::kCorrupt, "waterfill: escaped numbers are missing");
        }
        std::memcpy(&number, side.data() + used, sizeof number);
        used += sizeof number;
        number = std::clamp(number, -kWaterNumberMax, kWaterNumberMax);
        values[column] = water_.scale.value(classes[column], number);
      }
    }
    return used;
  }

 private:
  Water water_;
  WaterReaches reaches_;
  std::vector<float> tables_;  // [classes][symbols]
};

// The variances of a plane's components, as the klt stage before it learnt them.
Result<TensorView> variances_of(const Plane& plane, std::int64_t columns) {
  if (plane.layer_count != 1 || plane.head_count != plane.shape->kv_heads) {
    return make_error(ErrorCode::kUnsupported,
                      "'waterfill' works on whole layers: selection must be alike for all heads");
  }
  if (plane.profile == nullptr) {
    return make_error(ErrorCode::kNotFound,
                      "'waterfill' needs the model's profile: make one with 'sluice codec "
                      "calibrate'");
  }
  const std::string name = profile_name("klt." + std::string(plane.tables) + ".variance",
                                        plane.is_key(), plane.layer_first);
  return plane.profile->require(name, DType::kF32, columns);
}

class WaterCalibration final : public Calibration {
 public:
  explicit WaterCalibration(float rounding) : rounding_(rounding) {}

  Status observe(const Plane& plane, ConstMatrix rows) override {
    const TensorView variances = SLUICE_TRY(variances_of(plane, rows.columns));
    tables_ = plane.tables;
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      if (plane.positions[static_cast<std::size_t>(row)] < kSinkTokens) continue;
      for (std::int64_t column = 0; column < rows.columns; ++column) {
        const float variance = variances.as<float>()[column];
        const bool is_known = rows.row(row)[column] == 0.0F;  // by the prefix stage
        if (variance > 0.0F && !is_known) spread_.add(rows.row(row)[column] / std::sqrt(variance));
      }
    }
    return {};
  }
  Status finish(Profile& profile) override { return spread_.finish(tables_, rounding_, profile); }

 private:
  float rounding_;
  std::string tables_;
  ComponentSpread spread_;
};

class Waterfill final : public QuantizeStage {
 public:
  explicit Waterfill(const Parameters& parameters) : parameters_(parameters) {}

  bool needs_all_heads() const override { return true; }
  std::unique_ptr<Calibration> calibration() const override {
    return std::make_unique<WaterCalibration>(parameters_.number("rounding"));
  }

  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix /*all*/,
                                                     ByteWriter& /*side*/) const override {
    return std::unique_ptr<QuantizePlan>(
        std::make_unique<Encoder>(SLUICE_TRY(water_of(plane, columns))));
  }
  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& /*side*/) const override {
    return std::unique_ptr<DequantizePlan>(
        std::make_unique<Decoder>(SLUICE_TRY(water_of(plane, columns))));
  }

 private:
  Result<Water> water_of(const Plane& plane, std::int64_t columns) const {
    const TensorView variances = SLUICE_TRY(variances_of(plane, columns));
    const TensorView offsets =
        SLUICE_TRY(plane.profile->require(water_offset_name(plane.tables), DType::kF32,
                                          std::int64_t{kDeviationClasses} * kWaterOffsets));
    Water water;
    water.scale = WaterScale::of(parameters_, plane.level);
    water.scale.offsets = offsets.as<float>();
    for (std::int64_t column = 0; column < columns; ++column) {
      const int of_column = deviation_class(variances.as<float>()[column], water.scale.step);
      water.shape.context.push_back(static_cast<std::uint16_t>(of_column));
      water.shape.bits.push_back(WaterAlphabet::of(of_column).bits);
    }
    water.shape.family = water_frequency_name(plane.tables);
    return water;
  }

  Parameters parameters_;
};

}  // namespace

StageRow waterfill_row() {
  return {.id = 212,
          .name = "waterfill",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "one step for all components of klt, coded by their width (water-filling)",
          .create = [](const Parameters& parameters) -> Result<std::unique_ptr<Stage>> {
            return std::unique_ptr<Stage>(std::make_unique<Waterfill>(parameters));
          }};
}

}  // namespace sluice::kernels
