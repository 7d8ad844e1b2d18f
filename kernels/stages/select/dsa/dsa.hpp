// SPDX-License-Identifier: Apache-2.0
// DeepSeek Sparse Attention's lightning indexer (DeepSeek-V3.2), approximated.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow dsa_row();

}  // namespace sluice::kernels
