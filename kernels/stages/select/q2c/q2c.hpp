// SPDX-License-Identifier: Apache-2.0
// Question to context: tokens that the question pays attention to (the survey's own selector).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow q2c_row();

}  // namespace sluice::kernels
