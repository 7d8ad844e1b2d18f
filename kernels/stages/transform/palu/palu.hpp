// SPDX-License-Identifier: Apache-2.0
// Groups of heads in fixed low-rank bases, learnt before serving (Palu, arXiv 2407.21118).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow palu_row();

}  // namespace sluice::kernels
