// SPDX-License-Identifier: Apache-2.0
// StreamingLLM (arXiv 2309.17453): the first tokens and the most recent ones.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow streaming_row();

}  // namespace sluice::kernels
