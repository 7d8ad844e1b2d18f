// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/row_operations.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

std::vector<double> random_row(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> row(count);
  for (auto& value : row) value = normal(generator);
  return row;
}

// The definition in the header, written out.
double plain_dot(const std::vector<double>& x, const std::vector<double>& y) {
  double sums[8] = {};
  for (std::size_t i = 0; i < x.size(); ++i) sums[i % 8] += x[i] * y[i];
  const double four[4] = {sums[0] + sums[4], sums[1] + sums[5], sums[2] + sums[6],
                          sums[3] + sums[7]};
  return (four[0] + four[2]) + (four[1] + four[3]);
}

TEST(RowOperations, EveryTargetGivesTheBitsOfThePlainLoops) {
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    for (const std::size_t count : {0, 1, 3, 7, 8, 9, 16, 31, 100}) {
      const auto n = static_cast<std::int64_t>(count);
      const auto x = random_row(count, 1);
      const auto y = random_row(count, 2);
      EXPECT_EQ(dot(x.data(), y.data(), n), plain_dot(x, y)) << count;
      auto added = y;
      auto turned_x = x;
      auto turned_y = y;
      add_scaled(0.3, x.data(), added.data(), n);
      rotate_rows(0.8, 0.6, turned_x.data(), turned_y.data(), n);
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(added[i], y[i] + 0.3 * x[i]);
        EXPECT_EQ(turned_x[i], 0.8 * x[i] - 0.6 * y[i]);
        EXPECT_EQ(turned_y[i], 0.6 * x[i] + 0.8 * y[i]);
      }
      auto scaled = x;
      scale_row(0.7, scaled.data(), n);
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(scaled[i], 0.7 * x[i]);
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace
}  // namespace sluice::kernels
