// SPDX-License-Identifier: Apache-2.0
// The stage `rans`: interleaved rANS (spec.md says every byte).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow rans_row();

}  // namespace sluice::kernels
