// SPDX-License-Identifier: Apache-2.0
// SqueezeAttention (arXiv 2404.04793): layers that change little give up budget.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow squeeze_row();

}  // namespace sluice::kernels
