// SPDX-License-Identifier: Apache-2.0
// H2O (arXiv 2306.14048): heavy hitters of all attention so far, and recent tokens.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow h2o_row();

}  // namespace sluice::kernels
