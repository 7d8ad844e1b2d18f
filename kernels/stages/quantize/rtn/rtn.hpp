// SPDX-License-Identifier: Apache-2.0
// Round to nearest in groups: 2 to 8 bits, a scale (and a zero) in BF16 for every group.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow rtn_row();

}  // namespace sluice::kernels
