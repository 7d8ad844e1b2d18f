// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/similarity.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/elementwise/convert.hpp"

namespace sluice::runtime {

double similarity_sum(std::int64_t rows, std::int64_t width, const float* x,
                      kernels::ConstRows added) {
  // Lanes of partial sums, which a compiler keeps in a vector.
  constexpr std::int64_t kLanes = 16;
  const auto columns = static_cast<std::size_t>(width);
  std::vector<float> converted(columns);
  double sum = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto* from =
        static_cast<const std::byte*>(added.data) +
        row * added.stride * static_cast<std::int64_t>(dtype_block_bytes(added.dtype));
    kernels::convert_rows(1, width, {from, added.dtype, added.stride},
                          {converted.data(), DType::kF32, width});
    const float* before = x + row * width;
    std::array<std::array<float, kLanes>, 3> lanes{};
    const auto add = [&](std::size_t i, std::size_t lane) {
      const float after = before[i] + converted[i];
      lanes[0][lane] += before[i] * before[i];
      lanes[1][lane] += before[i] * after;
      lanes[2][lane] += after * after;
    };
    std::size_t i = 0;
    for (; i + kLanes <= columns; i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
    }
    for (; i < columns; ++i) add(i, 0);
    std::array<double, 3> totals{};
    for (std::size_t which = 0; which < 3; ++which) {
      for (const float value : lanes[which]) totals[which] += static_cast<double>(value);
    }
    const double size = std::sqrt(totals[0]) * std::sqrt(totals[2]);
    if (size > 0) sum += totals[1] / size;
  }
  return sum;
}

}  // namespace sluice::runtime
