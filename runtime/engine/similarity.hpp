// SPDX-License-Identifier: Apache-2.0
// How much a block changes the residual stream: what SqueezeAttention (arXiv 2404.04793) ranks
// layers by.
#pragma once

#include <cstdint>

#include "kernels/elementwise/rows.hpp"

namespace sluice::runtime {

// Sum over rows of the cosine between x and x + added; a row of zeros counts 0. `x`:
// [rows][width], dense.
double similarity_sum(std::int64_t rows, std::int64_t width, const float* x,
                      kernels::ConstRows added);

}  // namespace sluice::runtime
