// SPDX-License-Identifier: Apache-2.0
// KVQuant (arXiv 2401.18079): non-uniform levels, keys by channel and values by token, the few
// outliers of each vector kept apart. Keys are meant to come before RoPE: put `unrope` before it.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow kvquant_row();

}  // namespace sluice::kernels
