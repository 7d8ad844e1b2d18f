// SPDX-License-Identifier: Apache-2.0
// KeyDiff (arXiv 2504.15364): keys unlike the others.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow keydiff_row();

}  // namespace sluice::kernels
