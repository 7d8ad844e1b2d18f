// SPDX-License-Identifier: Apache-2.0
// ChunkKV (arXiv 2502.00299): whole chunks of tokens, so that meaning stays together.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow chunkkv_row();

}  // namespace sluice::kernels
