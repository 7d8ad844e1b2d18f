// SPDX-License-Identifier: Apache-2.0
// KNorm (arXiv 2406.11430): keys of a small norm draw attention.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow knorm_row();

}  // namespace sluice::kernels
