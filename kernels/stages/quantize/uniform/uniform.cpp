// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/uniform/uniform.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/stages/quantize/uniform/uniform_level.hpp"

namespace sluice::kernels {
namespace {

// Steps outside are refused: their inverses and multiples would not be finite.
constexpr float kStepMin = 1e-30F;
constexpr float kStepMax = 1e30F;

constexpr std::array kParameters = {
    ParameterRow{"step", ParameterKind::kNumber, 0.05F, kStepMin, kStepMax, "",
                 "distance of neighbouring levels"},
    ParameterRow{"step_value", ParameterKind::kNumber, 0, 0, kStepMax, "", "V's step; 0: as K's"},
    ParameterRow{"levels", ParameterKind::kList, 0, 1e-6F, 1e6F, "",
                 "factor on the step for each level from 1 on; 1"},
    ParameterRow{"rounding", ParameterKind::kNumber, 0.5F, 0, 0.5F, "",
                 "added before the floor; less than 0.5 widens the zero"},
    ParameterRow{"shrink", ParameterKind::kNumber, 0, 0, 0.5F, "",
                 "how far levels lie from their bins' centres towards zero, in steps"},
};

SymbolShape shape_of(std::int64_t columns) {
  SymbolShape shape;
  const auto count = static_cast<std::size_t>(columns);
  shape.bits.assign(count, 8);
  shape.context.resize(count);
  for (std::size_t c = 0; c < count; ++c) {
    shape.context[c] = static_cast<std::uint16_t>(std::min<std::size_t>(c, 0xffff));
  }
  return shape;
}

// The next escape in symbols[from, count), or count.
std::size_t next_escape(const std::uint8_t* symbols, std::size_t from, std::size_t count) {
  const void* found = std::memchr(symbols + from, kUniformEscape, count - from);
  if (found == nullptr) return count;
  return static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - symbols);
}

class UniformEncoder final : public QuantizePlan {
 public:
  UniformEncoder(const UniformStep& step, std::int64_t columns)
      : step_(step), shape_(shape_of(columns)) {}
  const SymbolShape& symbols() const override { return shape_; }
  std::size_t side_bytes_max(std::int64_t rows) const override {
    return static_cast<std::size_t>(rows) * shape_.bits.size() * sizeof(std::int32_t);
  }
  std::size_t encode(std::int64_t /*row_first*/, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    const std::size_t columns = shape_.bits.size();
    std::byte* at = side;
    for (std::int64_t row = 0; row < rows.rows; ++row, symbols += columns) {
      const float* values = rows.row(row);
      uniform_encode_row(step_, values, columns, symbols);
      for (std::size_t c = next_escape(symbols, 0, columns); c < columns;
           c = next_escape(symbols, c + 1, columns)) {
        const std::int32_t number = uniform_number(values[c], step_);
        std::memcpy(at, &number, sizeof number);
        at += sizeof number;
      }
    }
    return static_cast<std::size_t>(at - side);
  }

 private:
  UniformStep step_;
  SymbolShape shape_;
};

class UniformDecoder final : public DequantizePlan {
 public:
  UniformDecoder(const UniformStep& step, std::int64_t columns)
      : step_(step), shape_(shape_of(columns)) {}
  const SymbolShape& symbols() const override { return shape_; }
  Result<std::size_t> decode(std::int64_t /*row_first*/, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    const std::size_t columns = shape_.bits.size();
    std::size_t used = 0;
    for (std::int64_t row = 0; row < rows.rows; ++row, symbols += columns) {
      uniform_decode_row(step_, symbols, columns, rows.row(row));
      for (std::size_t c = next_escape(symbols, 0, columns); c < columns;
           c = next_escape(symbols, c + 1, columns)) {
        std::int32_t number = 0;
        if (side.size() - used < sizeof number) {
          return make_error(ErrorCode::kCorrupt, "uniform: escaped numbers are missing");
        }
        std::memcpy(&number, side.data() + used, sizeof number);
        used += sizeof number;
        rows.row(row)[c] = uniform_value(number, step_);
      }
    }
    return used;
  }

 private:
  UniformStep step_;
  SymbolShape shape_;
};

class UniformStage final : public QuantizeStage {
 public:
  explicit UniformStage(const Parameters& parameters)
      : step_(parameters.number("step")),
        step_value_(parameters.number("step_value")),
        levels_(parameters.list("levels").begin(), parameters.list("levels").end()),
        dead_zone_(0.5F - parameters.number("rounding")),
        shrink_(parameters.number("shrink")) {
    if (levels_.empty()) levels_ = {1.0F};
  }

  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix /*all*/,
                                                     ByteWriter& side) const override {
    const float wanted = SLUICE_TRY(step_of(plane));
    const UniformStep step = SLUICE_TRY(with_step(wanted));
    side.put(step.step);
    return std::unique_ptr<QuantizePlan>(std::make_unique<UniformEncoder>(step, columns));
  }
  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& /*plane*/, std::int64_t columns,
                                                       ByteReader& side) const override {
    const auto sent = SLUICE_TRY(side.get<float>());
    const UniformStep step = SLUICE_TRY(with_step(sent));
    return std::unique_ptr<DequantizePlan>(std::make_unique<UniformDecoder>(step, columns));
  }

 private:
  Result<UniformStep> with_step(float step) const {
    if (!(step >= kStepMin && step <= kStepMax)) {
      return make_error(ErrorCode::kCorrupt, "uniform: a step out of range");
    }
    return UniformStep{
        .step = step, .inverse = 1.0F / step, .dead_zone = dead_zone_, .shrink = shrink_};
  }

  // The base step by the level's factor and, where the profile has one, the layer's.
  Result<float> step_of(const Plane& plane) const {
    const std::size_t level = std::max<std::size_t>(plane.level, 1) - 1;
    float step = plane.is_key() || step_value_ == 0.0F ? step_ : step_value_;
    step = step * levels_[std::min(level, levels_.size() - 1)];
    const std::string name = profile_name("uniform.step", plane.is_key(), plane.layer_first);
    if (plane.profile != nullptr && plane.profile->find(name)) {
      const TensorView factor = SLUICE_TRY(plane.profile->require(name, DType::kF32, 1));
      float value = 0.0F;
      std::memcpy(&value, factor.data, sizeof value);
      step = step * value;
    }
    return step;
  }

  float step_;
  float step_value_;
  std::vector<float> levels_;
  float dead_zone_;
  float shrink_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<UniformStage>(parameters));
}

}  // namespace

StageRow uniform_row() {
  return {.id = 204,
          .name = "uniform",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "one step a plane, for entropy coding (rate-distortion: entropy-coded scalar)",
          .create = create};
}

}  // namespace sluice::kernels
