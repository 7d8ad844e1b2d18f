// SPDX-License-Identifier: Apache-2.0
// Levels by the logarithm of importance: important tokens in fine steps, others in coarse ones,
// none dropped. Half as important is `strength` octaves coarser.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// The level of importance equal to the geometric mean; the finest is 1, the coarsest kLevelsMax.
inline constexpr int kGradeNeutral = 4;

// log2 of a positive finite number, by +, -, * and / alone; within 1e-6.
double portable_log2(float value);

StageRow grade_row();

}  // namespace sluice::kernels
