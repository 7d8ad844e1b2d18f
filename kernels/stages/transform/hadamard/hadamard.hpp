// SPDX-License-Identifier: Apache-2.0
// The orthonormal Walsh-Hadamard transform of each head's channels: spreads outliers evenly.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow hadamard_row();

}  // namespace sluice::kernels
