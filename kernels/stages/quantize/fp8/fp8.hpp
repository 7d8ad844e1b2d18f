// SPDX-License-Identifier: Apache-2.0
// FP8 (E4M3) with a BF16 scale for each group of a token's channels, by default a head's.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow fp8_row();

}  // namespace sluice::kernels
