// SPDX-License-Identifier: Apache-2.0
// K as it was before rotary embedding: what bases and per-channel levels are made for.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow unrope_row();

}  // namespace sluice::kernels
