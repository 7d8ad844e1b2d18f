// SPDX-License-Identifier: Apache-2.0
// Smooths scores over neighbours, so that spans of text stay whole (SnapKV, arXiv 2404.14469).
#pragma once

#include <cstdint>
#include <span>

namespace sluice::kernels {

enum class Pooling : std::uint8_t { kAverage, kMax };

// out[t] = the average (places outside count as 0, the divisor is always `width`) or maximum of
// scores[t - width / 2, t + width / 2]. `width` is odd; 0 and 1 copy. Sums go from left to right.
// The spans have one size and do not overlap.
void pool_scores(std::span<const float> scores, std::int64_t width, Pooling pooling,
                 std::span<float> out);

}  // namespace sluice::kernels
