// SPDX-License-Identifier: Apache-2.0
// TOVA (arXiv 2401.06104): tokens that the last token pays attention to.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow tova_row();

}  // namespace sluice::kernels
