// SPDX-License-Identifier: Apache-2.0
// Learning predictors, components and features, layer by layer, from decoded rows: what the loop
// will see.
#pragma once

#include <memory>

#include "kernels/stages/parameters.hpp"
#include "kernels/stages/quantize/predict/predict_model.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

struct PredictLearning {
  PredictSettings settings;
  Parameters parameters;  // the stage's
};

// Holds the rows of one frame's layers of all caches: they must come frame by frame.
std::unique_ptr<Calibration> calibrate_predict(PredictLearning learning);

}  // namespace sluice::kernels
