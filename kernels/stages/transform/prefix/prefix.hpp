// SPDX-License-Identifier: Apache-2.0
// The rows of a prompt's first tokens, where a chat template makes them the same in every prompt:
// both sides know them from the profile, so nothing of them is sent, attention sinks included.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow prefix_row();

}  // namespace sluice::kernels
