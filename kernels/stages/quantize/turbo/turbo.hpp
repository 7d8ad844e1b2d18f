// SPDX-License-Identifier: Apache-2.0
// Optimal levels for rotated vectors: each head's norm, and its coordinates by Lloyd-Max levels.
#pragma once

#include <span>

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow turbo_row();

// The positive levels for 2, 3 or 4 bits, ascending; the others are their negatives.
std::span<const float> turbo_levels(std::int32_t bits);

}  // namespace sluice::kernels
