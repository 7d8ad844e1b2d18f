// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvquant/vector_range.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/core/check.hpp"

namespace sluice::kernels {

VectorRange narrowest_range(std::span<const float> values, std::int64_t outliers) {
  const auto count = static_cast<std::int64_t>(values.size());
  SLUICE_CHECK(outliers >= 0 && outliers < count, "a range needs at least one value");
  std::vector<std::int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [values](std::int32_t a, std::int32_t b) {
    const float left = values[static_cast<std::size_t>(a)];
    const float right = values[static_cast<std::size_t>(b)];
    return left != right ? left < right : a < b;
  };
  // Only the ends matter: outliers + 1 from either side.
  const auto ends = std::min(outliers + 1, count);
  std::partial_sort(order.begin(), order.begin() + ends, order.end(), before);
  if (count > 2 * ends) {
    std::partial_sort(order.rbegin(), order.rbegin() + ends, order.rend() - ends,
                      [&](std::int32_t a, std::int32_t b) { return before(b, a); });
  } else {
    std::sort(order.begin() + ends, order.end(), before);
  }
  const auto at = [&](std::int64_t rank) {
    return values[static_cast<std::size_t>(order[static_cast<std::size_t>(rank)])];
  };
  std::int64_t best = 0;
  for (std::int64_t low = 1; low <= outliers; ++low) {
    const float span = at(count - 1 - outliers + low) - at(low);
    if (span < at(count - 1 - outliers + best) - at(best)) best = low;
  }
  VectorRange range{at(best), at(count - 1 - outliers + best), {}};
  range.outliers.assign(order.begin(), order.begin() + best);
  range.outliers.insert(range.outliers.end(), order.end() - (outliers - best), order.end());
  std::sort(range.outliers.begin(), range.outliers.end());
  return range;
}

}  // namespace sluice::kernels
