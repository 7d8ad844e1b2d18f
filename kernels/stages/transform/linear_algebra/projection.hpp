// SPDX-License-Identifier: Apache-2.0
// Transforms that multiply blocks of columns by matrices: what svd, xkv, palu and klt have in
// common.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// Columns [first, first + columns) of the plane's rows belong to columns [out_first, out_first +
// rank) of the transformed ones. Blocks overlap on neither side.
struct LinearBlock {
  std::int64_t first = 0;
  std::int64_t columns = 0;
  std::int64_t out_first = 0;
  std::int64_t rank = 0;
  // Taken away before, added behind: [columns]. Borrowed; null for none.
  const float* mean = nullptr;
  // Forward [columns][rank], inverse [rank][columns]. Null: rank == columns, and they are copied.
  const float* matrix = nullptr;
  std::vector<float> owned;  // what `matrix` points to, unless somebody else owns it

  void own(std::vector<float> values);
};

// `rows` of `source` [rank][columns] as [columns][rank].
std::vector<float> transposed(const float* source, std::int64_t rank, std::int64_t columns);

// Transformed rows are as wide as the blocks' ranks together. A row's result does not depend on
// its tile.
std::unique_ptr<TransformPlan> make_forward(std::vector<LinearBlock> blocks);
std::unique_ptr<InversePlan> make_inverse(std::vector<LinearBlock> blocks);

}  // namespace sluice::kernels
