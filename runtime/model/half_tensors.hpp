// SPDX-License-Identifier: Apache-2.0
// FP32 tensors of a profile that half precision can hold.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/tensor_view.hpp"
#include "kernels/stages/profile.hpp"

namespace sluice::runtime {

// To the nearest, ties to even; beyond 65,504 infinity.
std::uint16_t f16_from_f32(float value);

// Rounds the FP32 tensors that are large to half precision, in place and still as FP32: a profile's
// file keeps such tensors in half the bytes, and bases need no more. What would lose more than
// 1/1024 of the length of any row or column (of the last axis) stays as it is. Before anything is
// encoded with the profile: its hash changes.
void round_to_halves(kernels::Profile& profile);

// The tensor's values in half precision; empty if it is not FP32 or any value would change.
std::vector<std::uint16_t> exact_halves(const TensorView& tensor);

}  // namespace sluice::runtime
