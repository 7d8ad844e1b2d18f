// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/waterfill/waterfill.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/stages/quantize/waterfill/deviation_class.hpp"

namespace sluice::kernels {
namespace {

// The first tokens are like no others.
constexpr std::int32_t kSinkTokens = 4;
constexpr float kStepMin = 1e-20F;
constexpr float kStepMax = 1e20F;
constexpr float kNumberMax = 0x1p30F;     // larger ones are cut
constexpr float kValueMax = 0x1.fep127F;  // BF16's largest number

constexpr std::array kParameters = {
    ParameterRow{"step", ParameterKind::kNumber, 0.5F, kStepMin, kStepMax, "",
                 "of every component, in the transform's unit"},
    ParameterRow{"levels", ParameterKind::kList, 0, 1e-3F, 1e3F, "",
                 "factors on the step, by token level; 1 if not given"},
    ParameterRow{"rounding", ParameterKind::kNumber, 0.35F, 0.1F, 0.5F, "",
                 "added to |x| / step before the floor: less than 0.5 widens the zero"},
};

// What both sides know of a plane: its step, its components' classes, and what numbers stand for.
struct Water {
  float step = 1.0F;
  float rounding = 0.5F;
  SymbolShape shape;               // contexts are the classes
  const float* offsets = nullptr;  // [classes][kWaterOffsets], the profile's

  float value(std::size_t column, std::int32_t number) const {
    const std::int32_t size = std::abs(number);
    float at = static_cast<float>(size);
    if (size < kWaterOffsets) {
      at += offsets[static_cast<std::size_t>(shape.context[column]) * kWaterOffsets +
                    static_cast<std::size_t>(size)];
    }
    at = std::min(at * step, kValueMax);
    return number < 0 ? -at : at;
  }
};

// Of each column: where its symbols end.
struct Reaches {
  explicit Reaches(const SymbolShape& shape) {
    for (const std::uint16_t of_column : shape.context) {
      const WaterAlphabet alphabet = WaterAlphabet::of(of_column);
      reach.push_back(alphabet.reach);
      escape.push_back(alphabet.escape);
    }
  }
  std::vector<std::int32_t> reach;
  std::vector<std::uint8_t> escape;
};

// Loops without a branch, which the compiler turns into vectors.
void numbers_of(const float* values, std::size_t count, float inverse, float rounding,
                std::int32_t* numbers) {
  for (std::size_t i = 0; i < count; ++i) {
    const float size = std::fabs(values[i]) * inverse + rounding;
    const auto number = static_cast<std::int32_t>(size < kNumberMax ? size : kNumberMax);
    numbers[i] = values[i] < 0.0F ? -number : number;
  }
}

// Whether any number escapes.
bool symbols_of(const std::int32_t* numbers, const Reaches& reaches, std::uint8_t* symbols) {
  std::uint32_t escapes = 0;
  const std::size_t count = reaches.reach.size();
  const std::int32_t* reach = reaches.reach.data();
  const std::uint8_t* escape = reaches.escape.data();
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t shifted = numbers[i] + reach[i];
    const bool is_beyond = shifted < 0 || shifted > 2 * reach[i];
    escapes |= static_cast<std::uint32_t>(is_beyond);
    symbols[i] = is_beyond ? escape[i] : static_cast<std::uint8_t>(shifted);
  }
  return escapes != 0;
}

class Encoder final : public QuantizePlan {
 public:
  explicit Encoder(Water water)
      : water_(std::move(water)), reaches_(water_.shape), numbers_(water_.shape.bits.size()) {}
  const SymbolShape& symbols() const override { return water_.shape; }
  std::size_t side_bytes_max(std::int64_t rows) const override {
    return static_cast<std::size_t>(rows) * water_.shape.bits.size() * sizeof(std::int32_t);
  }

  std::size_t encode(std::int64_t /*row_first*/, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    const float inverse = 1.0F / water_.step;
    const std::size_t columns = numbers_.size();
    std::byte* at = side;
    for (std::int64_t row = 0; row < rows.rows; ++row, symbols += columns) {
      numbers_of(rows.row(row), columns, inverse, water_.rounding, numbers_.data());
      if (!symbols_of(numbers_.data(), reaches_, symbols)) continue;
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
  Reaches reaches_;
  std::vector<std::int32_t> numbers_;  // of a row
};

class Decoder final : public DequantizePlan {
 public:
  explicit Decoder(Water water)
      : water_(std::move(water)), reaches_(water_.shape), tables_(by_class(water_)) {}
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
        number = std::clamp(number, -(1 << 30), 1 << 30);
        values[column] = water_.value(static_cast<std::size_t>(column), number);
      }
    }
    return used;
  }

 private:
  // Every class's value of every symbol.
  static std::vector<float> by_class(const Water& water) {
    Water each = water;
    each.shape.context.resize(1);
    std::vector<float> tables;
    for (int c = 0; c < kDeviationClasses; ++c) {
      each.shape.context[0] = static_cast<std::uint16_t>(c);
      for (int symbol = 0; symbol < kWaterSymbols; ++symbol) {
        tables.push_back(each.value(0, symbol - WaterAlphabet::of(c).reach));
      }
    }
    return tables;
  }

  Water water_;
  Reaches reaches_;
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
    water.step = parameters_.number("step");
    water.rounding = parameters_.number("rounding");
    water.offsets = offsets.as<float>();
    const auto levels = parameters_.list("levels");
    if (!levels.empty()) {
      const std::size_t level = std::max<std::size_t>(plane.level, 1) - 1;
      water.step *= levels[std::min(level, levels.size() - 1)];
    }
    for (std::int64_t column = 0; column < columns; ++column) {
      const int of_column = deviation_class(variances.as<float>()[column], water.step);
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
