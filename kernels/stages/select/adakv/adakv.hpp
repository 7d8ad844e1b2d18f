// SPDX-License-Identifier: Apache-2.0
// AdaKV (arXiv 2407.11550): heads of a layer compete for one budget.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow adakv_row();

}  // namespace sluice::kernels
