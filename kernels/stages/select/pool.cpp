// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/pool.hpp"

#include <algorithm>
#include <cstddef>

#include "kernels/core/check.hpp"

namespace sluice::kernels {

void pool_scores(std::span<const float> scores, std::int64_t width, Pooling pooling,
                 std::span<float> out) {
  SLUICE_CHECK(scores.size() == out.size(), "pooling keeps the number of scores");
  if (width <= 1) {
    std::copy(scores.begin(), scores.end(), out.begin());
    return;
  }
  const auto count = static_cast<std::int64_t>(scores.size());
  const std::int64_t half = width / 2;
  for (std::int64_t t = 0; t < count; ++t) {
    const std::int64_t first = std::max<std::int64_t>(t - half, 0);
    const std::int64_t last = std::min(t + half + 1, count);
    float value = scores[static_cast<std::size_t>(first)];
    for (std::int64_t i = first + 1; i < last; ++i) {
      const float other = scores[static_cast<std::size_t>(i)];
      if (pooling == Pooling::kAverage) {
        value += other;
      } else if (!(value >= other)) {
        value = other;  // a NaN on either side comes through, to be refused later
      }
    }
    if (pooling == Pooling::kAverage) value /= static_cast<float>(width);
    out[static_cast<std::size_t>(t)] = value;
  }
}

}  // namespace sluice::kernels
