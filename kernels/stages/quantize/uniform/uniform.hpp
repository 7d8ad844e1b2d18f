// SPDX-License-Identifier: Apache-2.0
// One step for a whole plane: what an entropy coder wants, as the least bits for an error.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow uniform_row();

}  // namespace sluice::kernels
