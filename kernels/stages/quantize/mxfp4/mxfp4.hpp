// SPDX-License-Identifier: Apache-2.0
// MXFP4: E2M1 in groups of 32 channels of a token, each with a power of two as its scale.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow mxfp4_row();

}  // namespace sluice::kernels
