// SPDX-License-Identifier: Apache-2.0
// Tokens that are sent as they are: sinks, the last ones, the question.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow protect_row();

}  // namespace sluice::kernels
