// SPDX-License-Identifier: Apache-2.0
// Fragile layers are sent as they are: the survey's binary mixed precision.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow bottleneck_row();

}  // namespace sluice::kernels
