// SPDX-License-Identifier: Apache-2.0
// The stage `arithmetic`: a range coder, as CacheGen uses one (spec.md says every byte). One symbol
// after another, so far slower than `rans`: for comparison.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow arithmetic_row();

}  // namespace sluice::kernels
