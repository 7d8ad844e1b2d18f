// SPDX-License-Identifier: Apache-2.0
// Rows in the strongest directions of the very rows that are sent, head by head or layer by layer.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow svd_row();

}  // namespace sluice::kernels
