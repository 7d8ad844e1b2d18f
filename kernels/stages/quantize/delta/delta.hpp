// SPDX-License-Identifier: Apache-2.0
// Differences between tokens, quantized: CacheGen's anchors (arXiv 2310.07240, section 5.1), and
// the sequential and grouped forms that it is compared with.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow delta_row();

}  // namespace sluice::kernels
