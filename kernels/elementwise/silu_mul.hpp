// SPDX-License-Identifier: Apache-2.0
// The gated activation of a SwiGLU feed-forward (arXiv 2002.05202): silu(gate) * up.
#pragma once

#include <cstdint>

#include "kernels/elementwise/rows.hpp"

namespace sluice::kernels {

// A row of `gate_up` is `width` gate elements, then `width` up elements; of `out`, `width`.
// silu(x) = x / (1 + exp(-x)), in FP32, to about 1e-6 of its value.
void silu_mul(std::int64_t rows, std::int64_t width, ConstRows gate_up, Rows out);

}  // namespace sluice::kernels
