// SPDX-License-Identifier: Apache-2.0
// Bits for blocks of principal components, allotted at calibration (KVTC, arXiv 2511.01815).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow kvtc_row();

}  // namespace sluice::kernels
