// SPDX-License-Identifier: Apache-2.0
// The small steps between matrix products, on one FP32 vector each.
#pragma once

#include <cstdint>

namespace sluice::kernels {

// out[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i]; out may be x.
// Method: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019, equation 4.
void rms_norm(const float* x, const float* weight, std::int64_t count, double epsilon, float* out);

// gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i].
// Method: Shazeer, GLU Variants Improve Transformer, 2020, section 2 (SwiGLU, beta = 1).
void silu_multiply(float* gate, const float* up, std::int64_t count);

enum class PairLayout : std::uint8_t {
  kInterleaved,  // (2i, 2i + 1)
  kHalves,       // (i, i + pairs)
};

// Turns each of `pairs` pairs at the start of `head` by the angle whose cosine and sine are given.
// Method: Su et al., RoFormer, 2021, section 3.4.2.
void rotate_pairs(float* head, const float* cosines, const float* sines, std::int64_t pairs,
                  PairLayout layout);

}  // namespace sluice::kernels
