// SPDX-License-Identifier: Apache-2.0
// PyramidKV (arXiv 2406.02069): budgets that fall with depth.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow pyramid_row();

}  // namespace sluice::kernels
