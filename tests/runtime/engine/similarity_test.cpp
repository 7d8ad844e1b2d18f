// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/similarity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace sluice::runtime {
namespace {

TEST(SimilaritySum, IsTheCosineByItsDefinition) {
  constexpr std::int64_t kWidth = 37;
  std::mt19937 generator(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(3 * kWidth, 0.0F);
  std::vector<float> added(3 * kWidth, 0.0F);
  double expected = 0;
  for (std::size_t row = 0; row < 2; ++row) {  // the third row is all zeros
    double xx = 0, xy = 0, yy = 0;
    for (std::size_t i = row * kWidth; i < (row + 1) * kWidth; ++i) {
      x[i] = normal(generator);
      added[i] = normal(generator);
      const double before = x[i];
      const double after = before + static_cast<double>(added[i]);
      xx += before * before;
      xy += before * after;
      yy += after * after;
    }
    expected += xy / std::sqrt(xx * yy);
  }
  EXPECT_NEAR(similarity_sum(3, kWidth, x.data(), {added.data(), DType::kF32, kWidth}), expected,
              1e-5);
}

}  // namespace
}  // namespace sluice::runtime
