// SPDX-License-Identifier: Apache-2.0
// The calibrated Karhunen-Loeve transform: principal components learnt before serving (the idea of
// KVTC, arXiv 2511.01815), if asked in the metric of what an error costs.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow klt_row();

}  // namespace sluice::kernels
