// SPDX-License-Identifier: Apache-2.0
// The narrowest range that holds all but a few numbers of a vector, and which ones those are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sluice::kernels {

struct VectorRange {
  float least = 0.0F;
  float most = 0.0F;
  std::vector<std::int32_t> outliers;  // indices, ascending: what lies outside
};

// Leaves out `outliers` of the values (fewer than all of them), from both ends so that what remains
// spans least; of equal values the earlier index goes first.
VectorRange narrowest_range(std::span<const float> values, std::int64_t outliers);

}  // namespace sluice::kernels
