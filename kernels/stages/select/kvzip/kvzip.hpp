// SPDX-License-Identifier: Apache-2.0
// KVzip (arXiv 2505.23416): what the model looks at when it repeats the prompt.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow kvzip_row();

}  // namespace sluice::kernels
