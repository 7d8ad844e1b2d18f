// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/eigen.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

std::vector<double> random_symmetric(std::int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> matrix(static_cast<std::size_t>(n * n));
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c <= r; ++c) {
      matrix[static_cast<std::size_t>(r * n + c)] = matrix[static_cast<std::size_t>(c * n + r)] =
          normal(generator);
    }
  }
  return matrix;
}

// A v = lambda v, rows orthonormal, values descending.
void expect_decomposes(const std::vector<double>& matrix, std::int64_t n, const Eigen& eigen) {
  const auto at = [n](std::int64_t r, std::int64_t c) {
    return static_cast<std::size_t>(r * n + c);
  };
  double size = 1e-300;
  for (const double value : matrix) size = std::max(size, std::abs(value));
  const double tolerance = 1e-13 * static_cast<double>(n) * size;
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = eigen.values[static_cast<std::size_t>(i)];
    if (i > 0) {
      EXPECT_GE(eigen.values[static_cast<std::size_t>(i - 1)], value);
    }
    for (std::int64_t r = 0; r < n; ++r) {
      double image = 0;
      for (std::int64_t c = 0; c < n; ++c) image += matrix[at(r, c)] * eigen.vectors[at(i, c)];
      ASSERT_NEAR(image, value * eigen.vectors[at(i, r)], tolerance) << n << " vector " << i;
    }
    for (std::int64_t j = 0; j <= i; ++j) {
      double product = 0;
      for (std::int64_t c = 0; c < n; ++c) {
        product += eigen.vectors[at(i, c)] * eigen.vectors[at(j, c)];
      }
      ASSERT_NEAR(product, i == j ? 1.0 : 0.0, 1e-13 * static_cast<double>(n)) << i << "," << j;
    }
  }
}

TEST(SymmetricEigen, DecomposesRandomMatrices) {
  for (const std::int64_t n : {1, 2, 3, 5, 17, 64, 130}) {
    const auto matrix = random_symmetric(n, static_cast<unsigned>(n));
    expect_decomposes(matrix, n, symmetric_eigen(matrix, n));
  }
}

TEST(SymmetricEigen, DecomposesSpecialMatrices) {
  constexpr std::int64_t kSize = 12;
  const auto at = [](std::int64_t r, std::int64_t c) {
    return static_cast<std::size_t>(r * kSize + c);
  };
  const std::vector<double> zero(kSize * kSize, 0.0);
  expect_decomposes(zero, kSize, symmetric_eigen(zero, kSize));
  const std::vector<double> ones(kSize * kSize, 1.0);  // rank 1
  const Eigen of_ones = symmetric_eigen(ones, kSize);
  expect_decomposes(ones, kSize, of_ones);
  EXPECT_NEAR(of_ones.values[0], 12.0, 1e-12);
  auto diagonal = zero;
  auto graded = zero;  // from 1 down to 1e-22, coupled
  for (std::int64_t i = 0; i < kSize; ++i) {
    diagonal[at(i, i)] = static_cast<double>(i % 4);
    for (std::int64_t j = 0; j < kSize; ++j) {
      graded[at(i, j)] = std::pow(10.0, -static_cast<double>(i + j)) * (i == j ? 1.0 : 0.5);
    }
  }
  expect_decomposes(diagonal, kSize, symmetric_eigen(diagonal, kSize));
  expect_decomposes(graded, kSize, symmetric_eigen(graded, kSize));
  auto huge = random_symmetric(kSize, 3);
  for (auto& value : huge) value *= 1e76;  // squares of FP32's largest numbers
  expect_decomposes(huge, kSize, symmetric_eigen(huge, kSize));
  auto tiny = random_symmetric(kSize, 4);
  for (auto& value : tiny) value *= 1e-76;
  expect_decomposes(tiny, kSize, symmetric_eigen(tiny, kSize));
  EXPECT_TRUE(symmetric_eigen({}, 0).values.empty());
}

TEST(SymmetricEigen, EveryTargetGivesTheSameBits) {
  const auto matrix = random_symmetric(40, 5);
  hwy::SetSupportedTargetsForTest(0);
  const Eigen expected = symmetric_eigen(matrix, 40);
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    const Eigen eigen = symmetric_eigen(matrix, 40);
    EXPECT_EQ(eigen.values, expected.values) << hwy::TargetName(target);
    EXPECT_EQ(eigen.vectors, expected.vectors) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(SymmetricEigen, ANaNComesToAnEnd) {
  auto matrix = random_symmetric(9, 6);
  matrix[5 * 9 + 2] = matrix[2 * 9 + 5] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(symmetric_eigen(matrix, 9).vectors.size(), 81U);
}

}  // namespace
}  // namespace sluice::kernels
