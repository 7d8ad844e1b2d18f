// SPDX-License-Identifier: Apache-2.0
// What a quantizer lost: its largest entries one by one, the rest at low rank (GEAR, arXiv
// 2403.05527).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow gear_row();

}  // namespace sluice::kernels
