// SPDX-License-Identifier: Apache-2.0
// Fragile layers are sent as they are: the survey's binary mixed precision.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// The profile's tensor of numbers of layers (I32, ascending) that `sluice diagnose` writes; with no
// element where the model has no fragile layer.
inline constexpr const char* kFragileLayers = "fragile_layers";

StageRow bottleneck_row();

}  // namespace sluice::kernels
