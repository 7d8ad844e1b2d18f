// SPDX-License-Identifier: Apache-2.0
// NACL (arXiv 2408.03675): proxy tokens score the rest at once, and part of it is drawn at random.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow nacl_row();

}  // namespace sluice::kernels
