// SPDX-License-Identifier: Apache-2.0
// Expected Attention (arXiv 2510.00636): tokens that the queries to come will need.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow expected_attention_row();

}  // namespace sluice::kernels
