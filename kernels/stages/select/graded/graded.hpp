// SPDX-License-Identifier: Apache-2.0
// Levels that grow coarser with depth, as CacheGen's (arXiv 2310.07240).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow graded_row();

}  // namespace sluice::kernels
