// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/predict/predict_model.hpp"

#include <algorithm>

namespace sluice::kernels {
namespace {

// Decoded values are cut here, so that hostile numbers make nothing infinite or undefined.
constexpr float kDecodedMost = 1e18F;

Status load_block(const Plane& plane, std::int64_t at, PredictModel& model) {
  const Profile& profile = *plane.profile;
  const bool is_key = at % 2 == 0;
  const std::int64_t layer = plane.layer_first + at / 2;
  const auto require = [&](const char* what, DType dtype, std::int64_t elements) {
    return profile.require(predict_tensor_name(plane.tables, what, is_key, layer), dtype, elements);
  };
  PredictBlock& block = model.blocks[static_cast<std::size_t>(at)];
  const std::int64_t width = model.width;
  const auto inputs = static_cast<std::int64_t>(block.inputs.size());
  block.mean = SLUICE_TRY(require("mean", DType::kF32, width)).as<float>();
  block.forward = SLUICE_TRY(require("forward", DType::kF32, width * width)).as<float>();
  block.inverse = SLUICE_TRY(require("inverse", DType::kF32, width * width)).as<float>();
  block.variances = SLUICE_TRY(require("variance", DType::kF32, width)).as<float>();
  const TensorView known = SLUICE_TRY(require("known", DType::kF32, -1));
  if (known.rank != 2 || known.shape[1] != width || known.shape[0] < 0) {
    return make_error(ErrorCode::kCorrupt, "the profile's known rows have another width");
  }
  block.known = known.as<float>();
  model.known = at == 0 ? known.shape[0] : std::min(model.known, known.shape[0]);
  if (inputs > 0) {
    block.weights =
        SLUICE_TRY(require("weight", DType::kBF16, inputs * model.features * width)).as<Bf16>();
  }
  if (block.is_input) {
    block.features =
        SLUICE_TRY(require("feature", DType::kBF16, width * model.features)).as<Bf16>();
  }
  return {};
}

}  // namespace

std::vector<std::int64_t> predict_inputs(std::int64_t block, std::int64_t previous) {
  std::vector<std::int64_t> inputs;
  const std::int64_t layer = block / 2;
  for (std::int64_t back = 1; back <= std::min(previous, layer); ++back) {
    inputs.push_back(2 * (layer - back));
    inputs.push_back(2 * (layer - back) + 1);
  }
  if (block % 2 == 1) inputs.push_back(block - 1);
  return inputs;
}

std::string predict_tensor_name(std::string_view tables, const char* what, bool is_key,
                                std::int64_t layer) {
  return profile_name("predict." + std::string(tables) + "." + what, is_key, layer);
}

Status check_predicted(const Plane& plane, const PredictSettings& settings) {
  const std::int64_t left = plane.shape->layers - plane.layer_first;
  if (!plane.is_joint() || plane.head_first != 0 || plane.head_count != plane.shape->kv_heads) {
    return make_error(ErrorCode::kInvalidArgument,
                      "stage 'predict' works on K and V of all heads of a layer together: "
                      "selection must be alike for all heads");
  }
  if (plane.layer_first % settings.layers == 0 &&
      plane.layer_count == std::min(settings.layers, left)) {
    return {};
  }
  return make_error(ErrorCode::kInvalidArgument,
                    "stage 'predict' works on frames of " + std::to_string(settings.layers) +
                        " layers, and another stage or the frame has others");
}

Result<PredictModel> PredictModel::of(const Plane& plane, const PredictSettings& settings) {
  SLUICE_TRY(check_predicted(plane, settings));
  if (plane.profile == nullptr) {
    return make_error(ErrorCode::kNotFound,
                      "stage 'predict' needs a profile: make one with 'sluice codec calibrate'");
  }
  PredictModel model;
  model.width = plane.shape->kv_heads * plane.shape->head_dim;
  model.features = std::min(settings.features, model.width);
  model.slots = 2 * (settings.previous + 1);
  model.blocks.resize(static_cast<std::size_t>(2 * plane.layer_count));
  for (std::size_t at = 0; at < model.blocks.size(); ++at) {
    auto& inputs = model.blocks[at].inputs;
    inputs = predict_inputs(static_cast<std::int64_t>(at), settings.previous);
    for (const std::int64_t input : inputs) {
      model.blocks[static_cast<std::size_t>(input)].is_input = true;
    }
  }
  for (std::size_t at = 0; at < model.blocks.size(); ++at) {
    SLUICE_TRY(load_block(plane, static_cast<std::int64_t>(at), model));
  }
  return model;
}

void PredictLoop::begin(std::span<const std::int32_t> positions, std::int64_t known) {
  positions_ = positions;
  known_ = known;
  const std::size_t rows = positions.size();
  rows_.resize(rows * static_cast<std::size_t>(model_.width));
  centred_.resize(rows_.size());
  features_.resize(rows * static_cast<std::size_t>(model_.slots * model_.features));
}

Matrix PredictLoop::features_of(std::int64_t block) {
  const auto rows = static_cast<std::int64_t>(positions_.size());
  return {features_.data() + block % model_.slots * rows * model_.features, rows, model_.features,
          model_.features};
}

ConstMatrix PredictLoop::predict(std::int64_t block) {
  const PredictBlock& of = model_.blocks[static_cast<std::size_t>(block)];
  const auto rows = static_cast<std::int64_t>(positions_.size());
  const Matrix predicted{rows_.data(), rows, model_.width, model_.width};
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(of.mean, model_.width, predicted.row(row));
  }
  const Bf16* weights = of.weights;
  for (const std::int64_t input : of.inputs) {
    multiply_add(features_of(input), {weights, model_.features, model_.width, model_.width},
                 predicted);
    weights += model_.features * model_.width;
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int32_t position = positions_[static_cast<std::size_t>(row)];
    if (position >= known_) break;
    std::copy_n(of.known + position * model_.width, model_.width, predicted.row(row));
  }
  return predicted;
}

ConstMatrix PredictLoop::complete(std::int64_t block, ConstMatrix components) {
  const PredictBlock& of = model_.blocks[static_cast<std::size_t>(block)];
  const auto rows = static_cast<std::int64_t>(positions_.size());
  const Matrix decoded{rows_.data(), rows, model_.width, model_.width};
  multiply_add(components, {of.inverse, components.columns, model_.width, model_.width}, decoded);
  for (std::int64_t row = 0; row < rows; ++row) {
    float* values = decoded.row(row);
    float* centred = centred_.data() + row * model_.width;
    for (std::int64_t i = 0; i < model_.width; ++i) {
      const float high = values[i] < kDecodedMost ? values[i] : kDecodedMost;
      values[i] = high > -kDecodedMost ? high : -kDecodedMost;
      centred[i] = values[i] - of.mean[i];
    }
  }
  if (of.is_input) {
    multiply(ConstMatrix{centred_.data(), rows, model_.width, model_.width},
             {of.features, model_.width, model_.features, model_.features}, features_of(block));
  }
  return decoded;
}

}  // namespace sluice::kernels
