// SPDX-License-Identifier: Apache-2.0
// NVFP4: E2M1 in groups of 16 channels of a token, with E4M3 scales and one FP32 number a plane.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow nvfp4_row();

}  // namespace sluice::kernels
