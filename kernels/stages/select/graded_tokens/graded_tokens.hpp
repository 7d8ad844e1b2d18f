// SPDX-License-Identifier: Apache-2.0
// Levels by importance: the best tokens finest, the rest coarser instead of gone.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow graded_tokens_row();

}  // namespace sluice::kernels
