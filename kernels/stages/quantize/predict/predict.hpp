// SPDX-License-Identifier: Apache-2.0
// Each layer's K and V predicted from decoded layers before it: differential coding with the
// decoder inside the encoder's loop (Cutler, U.S. patent 2,605,361, 1952), along layers, with
// calibrated linear predictors. What is left is coded as `klt` and `waterfill` would.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow predict_row();

}  // namespace sluice::kernels
