// SPDX-License-Identifier: Apache-2.0
// Tokens drawn at random: what any other selector has to beat.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow random_row();

}  // namespace sluice::kernels
