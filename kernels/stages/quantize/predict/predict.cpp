// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/predict/predict.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/stages/learnt_parameters.hpp"
#include "kernels/stages/quantize/predict/predict_calibration.hpp"
#include "kernels/stages/quantize/predict/predict_model.hpp"
#include "kernels/stages/quantize/waterfill/water_symbols.hpp"
#include "kernels/stages/transform/prefix/known_rows.hpp"

namespace sluice::kernels {
namespace {

// Matrices are read once for so many rows.
constexpr std::int64_t kTileRows = 32;
// Of the squared length: rows of another token are farther from the known ones.
constexpr float kKnownShare = 0.01F;
// Keeps hostile numbers within what sums of products hold.
constexpr float kComponentMost = 1e18F;

constexpr std::array kParameters = {
    kWaterStep,
    kWaterLevels,
    kWaterRounding,
    ParameterRow{"layers", ParameterKind::kInteger, 10, 1, 64, "",
                 "of a frame: the first one of each is not predicted"},
    ParameterRow{"previous", ParameterKind::kInteger, 2, 0, 8, "",
                 "layers that a layer is predicted from"},
    ParameterRow{"features", ParameterKind::kInteger, 64, 1, 1024, "",
                 "components of a layer's decoded K, and of its V, that predict"},
    kLearntWeight,
    kLearntRegularize,
    ParameterRow{"ridge", ParameterKind::kNumber, 0.003F, 1e-6F, 1000, "",
                 "of a feature's variance, added when predictors are learnt"},
    kLearntSkipTokens,
    ParameterRow{"prefix_tokens", ParameterKind::kInteger, 64, 0, 4096, "",
                 "first tokens that are compared at calibration, at most"},
};

// What both sides know of a plane.
struct Predicted {
  PredictModel model;
  WaterScale scale;
  SymbolShape shape;  // contexts are the classes
};

struct Escape {
  std::int64_t row = 0;
  std::int64_t column = 0;  // of the plane
  std::int32_t number = 0;
};

// What an encoder and a decoder share.
class Coder {
 public:
  Coder(Predicted predicted, std::span<const std::int32_t> positions)
      : scale_(predicted.scale),
        shape_(std::move(predicted.shape)),
        reaches_(shape_.context),
        values_(scale_.values()),
        loop_(std::move(predicted.model)),
        positions_(positions) {}

 protected:
  const PredictModel& model() const { return loop_.model(); }
  std::int64_t blocks() const { return static_cast<std::int64_t>(model().blocks.size()); }
  std::size_t columns() const { return shape_.bits.size(); }
  // The first bytes of `side` say how many rows are known, if any can be.
  bool can_be_known() const {
    return !positions_.empty() && positions_.front() < static_cast<std::int32_t>(model().known);
  }
  void begin(std::int64_t row_first, std::int64_t rows) {
    tile_ = positions_.subspan(static_cast<std::size_t>(row_first), static_cast<std::size_t>(rows));
    loop_.begin(tile_, known_);
    components_.resize(static_cast<std::size_t>(rows * model().width));
  }
  Matrix components() {
    return {components_.data(), static_cast<std::int64_t>(tile_.size()), model().width,
            model().width};
  }
  // What the block's symbols and escaped numbers stand for, up to the last component that is not 0
  // in every row: most of the narrow ones are.
  ConstMatrix dequantize(std::int64_t block, const std::uint8_t* symbols,
                         std::span<const Escape> escapes) {
    Matrix to = components();
    const std::int64_t first = block * model().width;
    const std::uint16_t* classes = shape_.context.data() + first;
    std::int64_t used = 0;
    for (std::int64_t row = 0; row < to.rows; ++row) {
      const std::uint8_t* from = symbols + row * static_cast<std::int64_t>(columns()) + first;
      for (std::int64_t i = 0; i < to.columns; ++i) {
        to.row(row)[i] = values_[std::size_t{classes[i]} * kWaterSymbols + from[i]];
      }
      for (std::int64_t i = to.columns; i > used; --i) {
        if (to.row(row)[i - 1] != 0.0F) used = i;
      }
    }
    for (const Escape& escape : escapes) {
      const float value = scale_.value(classes[escape.column - first], escape.number);
      to.row(escape.row)[escape.column - first] =
          std::clamp(value, -kComponentMost, kComponentMost);
      used = std::max(used, escape.column - first + 1);
    }
    to.columns = used;
    return to;
  }

  WaterScale scale_;
  SymbolShape shape_;
  WaterReaches reaches_;
  std::vector<float> values_;  // [classes][symbols]
  PredictLoop loop_;
  std::span<const std::int32_t> positions_;  // the plane's
  std::span<const std::int32_t> tile_;
  std::int64_t known_ = 0;

 private:
  std::vector<float> components_;  // of a block
};

class Encoder final : public QuantizePlan, Coder {
 public:
  using Coder::Coder;
  const SymbolShape& symbols() const override { return shape_; }
  std::size_t side_bytes_max(std::int64_t rows) const override {
    return sizeof(std::uint16_t) +
           static_cast<std::size_t>(rows) * columns() * sizeof(std::int32_t);
  }

  std::size_t encode(std::int64_t row_first, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    std::byte* at = side;
    if (row_first == 0 && can_be_known()) {
      const auto known = static_cast<std::uint16_t>(known_rows(rows));
      known_ = known;
      std::memcpy(at, &known, sizeof known);
      at += sizeof known;
    }
    begin(row_first, rows.rows);
    escapes_.clear();
    for (std::int64_t block = 0; block < blocks(); ++block) {
      const std::size_t before = escapes_.size();
      quantize(block, rows, symbols);
      loop_.complete(block, dequantize(block, symbols, std::span(escapes_).subspan(before)));
    }
    std::stable_sort(escapes_.begin(), escapes_.end(),
                     [](const Escape& a, const Escape& b) { return a.row < b.row; });
    for (const Escape& escape : escapes_) {
      std::memcpy(at, &escape.number, sizeof escape.number);
      at += sizeof escape.number;
    }
    return static_cast<std::size_t>(at - side);
  }

 private:
  // Positions below it are rows that begin as the profile says, of the first tile.
  std::int64_t known_rows(ConstMatrix rows) const {
    const std::int64_t width = model().width;
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const std::int32_t position = positions_[static_cast<std::size_t>(row)];
      if (position >= model().known) return model().known;
      float difference = 0.0F;
      float length = 0.0F;
      for (std::int64_t block = 0; block < blocks(); ++block) {
        const float* known =
            model().blocks[static_cast<std::size_t>(block)].known + position * width;
        difference += squared_distance(rows.row(row) + block * width, known, width);
        length += squared_distance(known, nullptr, width);
      }
      if (!(difference <= kKnownShare * length)) return position;
    }
    return positions_[static_cast<std::size_t>(rows.rows - 1)] + 1;
  }

  void quantize(std::int64_t block, ConstMatrix rows, std::uint8_t* symbols) {
    const PredictBlock& of = model().blocks[static_cast<std::size_t>(block)];
    const std::int64_t width = model().width;
    const ConstMatrix predicted = loop_.predict(block);
    residual_.resize(static_cast<std::size_t>(rows.rows * width));
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const float* from = rows.row(row) + block * width;
      const float* less = predicted.row(row);
      float* to = residual_.data() + row * width;
      for (std::int64_t i = 0; i < width; ++i) to[i] = from[i] - less[i];
    }
    const Matrix values = components();
    multiply(ConstMatrix{residual_.data(), rows.rows, width, width},
             ConstMatrix{of.forward, width, width, width}, values);
    const auto count = static_cast<std::size_t>(width);
    const auto first = static_cast<std::size_t>(block * width);
    const float inverse = 1.0F / scale_.step;
    numbers_.resize(count);
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      std::uint8_t* to = symbols + static_cast<std::size_t>(row) * columns() + first;
      water_numbers({values.row(row), count}, inverse, scale_.rounding, numbers_.data());
      const bool has_escapes = water_symbols(numbers_, reaches_, first, to);
      for (std::size_t i = 0; has_escapes && i < count; ++i) {
        if (to[i] != reaches_.escape[first + i]) continue;
        escapes_.push_back({row, static_cast<std::int64_t>(first + i), numbers_[i]});
      }
    }
  }

  std::vector<Escape> escapes_;
  std::vector<float> residual_;
  std::vector<std::int32_t> numbers_;
};

class Decoder final : public DequantizePlan, Coder {
 public:
  using Coder::Coder;
  const SymbolShape& symbols() const override { return shape_; }

  Result<std::size_t> decode(std::int64_t row_first, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    ByteReader reader(side);
    if (row_first == 0 && can_be_known()) {
      known_ = SLUICE_TRY(reader.get<std::uint16_t>());
      if (known_ > model().known) {
        return make_error(ErrorCode::kCorrupt, "predict: more rows are known than the profile has");
      }
    }
    SLUICE_TRY(read_escapes(rows.rows, symbols, reader));
    begin(row_first, rows.rows);
    const std::int64_t width = model().width;
    for (std::int64_t block = 0; block < blocks(); ++block) {
      loop_.predict(block);
      const auto& escapes = escapes_[static_cast<std::size_t>(block)];
      const ConstMatrix decoded = loop_.complete(block, dequantize(block, symbols, escapes));
      for (std::int64_t row = 0; row < rows.rows; ++row) {
        std::copy_n(decoded.row(row), width, rows.row(row) + block * width);
      }
    }
    return side.size() - reader.remaining();
  }

 private:
  // By block. They come row by row.
  Status read_escapes(std::int64_t rows, const std::uint8_t* symbols, ByteReader& side) {
    escapes_.resize(static_cast<std::size_t>(blocks()));
    for (auto& of_block : escapes_) of_block.clear();
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns(); ++column) {
        if (*symbols++ != reaches_.escape[column]) continue;
        if (side.remaining() < sizeof(std::int32_t)) {
          return make_error(ErrorCode::kCorrupt, "predict: escaped numbers are missing");
        }
        const auto number = SLUICE_TRY(side.get<std::int32_t>());
        escapes_[column / static_cast<std::size_t>(model().width)].push_back(
            {row, static_cast<std::int64_t>(column),
             std::clamp(number, -kWaterNumberMax, kWaterNumberMax)});
      }
    }
    return {};
  }

  std::vector<std::vector<Escape>> escapes_;
};

class Predict final : public QuantizeStage {
 public:
  explicit Predict(const Parameters& parameters) : parameters_(parameters) {
    settings_.layers = parameters.integer("layers");
    settings_.previous = parameters.integer("previous");
    settings_.features = parameters.integer("features");
  }

  bool joins_halves() const override { return true; }
  bool needs_all_heads() const override { return true; }
  std::int64_t layers_per_frame() const override { return settings_.layers; }
  std::int64_t row_multiple() const override { return kTileRows; }
  std::unique_ptr<Calibration> calibration() const override {
    PredictLearning learning;
    learning.settings = settings_;
    learning.parameters = parameters_;
    return calibrate_predict(std::move(learning));
  }

  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix /*all*/,
                                                     ByteWriter& /*side*/) const override {
    return std::unique_ptr<QuantizePlan>(
        std::make_unique<Encoder>(SLUICE_TRY(predicted(plane, columns)), plane.positions));
  }
  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& /*side*/) const override {
    return std::unique_ptr<DequantizePlan>(
        std::make_unique<Decoder>(SLUICE_TRY(predicted(plane, columns)), plane.positions));
  }

 private:
  Result<Predicted> predicted(const Plane& plane, std::int64_t columns) const {
    if (columns != plane.columns()) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'predict' must come before transforms that change the columns");
    }
    Predicted result;
    result.model = SLUICE_TRY(PredictModel::of(plane, settings_));
    result.scale = WaterScale::of(parameters_, plane.level);
    result.scale.offsets =
        SLUICE_TRY(plane.profile->require(water_offset_name(plane.tables), DType::kF32,
                                          std::int64_t{kDeviationClasses} * kWaterOffsets))
            .as<float>();
    SymbolShape& shape = result.shape;
    shape.family = water_frequency_name(plane.tables);
    for (const PredictBlock& block : result.model.blocks) {
      for (std::int64_t i = 0; i < result.model.width; ++i) {
        const int of_component = deviation_class(block.variances[i], result.scale.step);
        shape.context.push_back(static_cast<std::uint16_t>(of_component));
        shape.bits.push_back(WaterAlphabet::of(of_component).bits);
      }
    }
    return result;
  }

  Parameters parameters_;
  PredictSettings settings_;
};

}  // namespace

StageRow predict_row() {
  return {.id = 213,
          .name = "predict",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "layers predicted from those before (DPCM), coded as klt and waterfill do",
          .create = [](const Parameters& parameters) -> Result<std::unique_ptr<Stage>> {
            return std::unique_ptr<Stage>(std::make_unique<Predict>(parameters));
          }};
}

}  // namespace sluice::kernels
