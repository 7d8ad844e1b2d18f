// SPDX-License-Identifier: Apache-2.0
// What the profile holds for a frame's layers, and how rows are predicted and made whole with it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/stage.hpp"
#include "kernels/stages/transform/linear_algebra/multiply.hpp"

namespace sluice::kernels {

struct PredictSettings {
  std::int64_t layers = 1;    // of a frame
  std::int64_t previous = 2;  // layers that a layer is predicted from
  std::int64_t features = 64;
};

// A frame's blocks are its layers' halves, K of a layer before its V. The blocks that block `block`
// is predicted from: K and V of the layer before, of the one before that; and for V its layer's K.
std::vector<std::int64_t> predict_inputs(std::int64_t block, std::int64_t previous);

// "predict.<tables>.<what>.<k|v>.<layer>"
std::string predict_tensor_name(std::string_view tables, const char* what, bool is_key,
                                std::int64_t layer);

// kInvalidArgument: the plane is not a whole frame of joint halves with all heads.
Status check_predicted(const Plane& plane, const PredictSettings& settings);

// Of one block; borrowed from the profile.
struct PredictBlock {
  const float* mean = nullptr;  // [width]
  std::vector<std::int64_t> inputs;
  const Bf16* weights = nullptr;     // [inputs][features][width]
  const float* forward = nullptr;    // [width][width]: a component is a column
  const float* inverse = nullptr;    // [width][width]: a component is a row
  const Bf16* features = nullptr;    // [width][features]
  const float* variances = nullptr;  // [width]
  const float* known = nullptr;      // [known rows][width]
  bool is_input = false;             // of a later block
};

struct PredictModel {
  static Result<PredictModel> of(const Plane& plane, const PredictSettings& settings);

  std::int64_t width = 0;     // of a block: a layer's K or V
  std::int64_t features = 0;  // of a block
  std::int64_t slots = 0;     // blocks whose features are held
  std::int64_t known = 0;     // rows that the template is known to begin with
  std::vector<PredictBlock> blocks;
};

// One plane's rows through the loop, tile by tile, the same for both sides.
class PredictLoop {
 public:
  explicit PredictLoop(PredictModel model) : model_(std::move(model)) {}
  const PredictModel& model() const { return model_; }

  // A tile's rows at `positions`; those below `known` begin with the profile's.
  void begin(std::span<const std::int32_t> positions, std::int64_t known);
  // [rows][width], valid until the next call. Blocks in order.
  ConstMatrix predict(std::int64_t block);
  // Adds what `components` [rows][any number of the first ones] stand for, and keeps the features.
  // Returns the decoded rows.
  ConstMatrix complete(std::int64_t block, ConstMatrix components);

 private:
  Matrix features_of(std::int64_t block);

  PredictModel model_;
  std::span<const std::int32_t> positions_;
  std::int64_t known_ = 0;
  std::vector<float> rows_;      // predicted, then decoded
  std::vector<float> centred_;   // decoded, without the mean
  std::vector<float> features_;  // [slots][rows][features]
};

}  // namespace sluice::kernels
