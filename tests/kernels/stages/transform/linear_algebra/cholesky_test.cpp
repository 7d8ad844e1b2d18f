// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/cholesky.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

constexpr std::int64_t kSize = 23;

std::size_t at(std::int64_t row, std::int64_t column, std::int64_t columns = kSize) {
  return static_cast<std::size_t>(row * columns + column);
}

std::vector<double> random_values(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(normal(random));
  return values;
}

std::vector<double> positive_definite() {
  const auto factor = random_values(kSize * kSize, 1);
  std::vector<double> matrix(factor.size(), 0.0);
  for (std::int64_t r = 0; r < kSize; ++r) {
    for (std::int64_t c = 0; c < kSize; ++c) {
      for (std::int64_t k = 0; k < kSize; ++k) {
        matrix[at(r, c)] += factor[at(r, k)] * factor[at(c, k)];
      }
    }
    matrix[at(r, r)] += 1.0;
  }
  return matrix;
}

TEST(Cholesky, FactorsAndSolves) {
  const auto matrix = positive_definite();
  auto lower = matrix;
  ASSERT_TRUE(cholesky(lower, kSize));
  for (std::int64_t r = 0; r < kSize; ++r) {
    for (std::int64_t c = 0; c < kSize; ++c) {
      double sum = 0;
      for (std::int64_t k = 0; k < kSize; ++k) sum += lower[at(r, k)] * lower[at(c, k)];
      EXPECT_NEAR(sum, matrix[at(r, c)], 1e-9);
      if (c > r) {
        EXPECT_EQ(lower[at(r, c)], 0.0);
      }
    }
  }
  const auto solution = random_values(kSize * 4, 2);
  std::vector<double> right(solution.size(), 0.0);
  for (std::int64_t r = 0; r < kSize; ++r) {
    for (std::int64_t c = 0; c < 4; ++c) {
      for (std::int64_t k = 0; k < kSize; ++k) {
        right[at(r, c, 4)] += matrix[at(r, k)] * solution[at(k, c, 4)];
      }
    }
  }
  solve_factored(lower, kSize, right, 4);
  for (std::size_t i = 0; i < right.size(); ++i) EXPECT_NEAR(right[i], solution[i], 1e-8);
  // Rows times the factor's inverse, times the factor again.
  const auto rows = random_values(kSize * kSize, 3);
  auto divided = rows;
  divide_rows(divided, lower, kSize);
  for (std::int64_t r = 0; r < kSize; ++r) {
    for (std::int64_t c = 0; c < kSize; ++c) {
      double sum = 0;
      for (std::int64_t k = 0; k < kSize; ++k) sum += divided[at(r, k)] * lower[at(k, c)];
      EXPECT_NEAR(sum, rows[at(r, c)], 1e-8);
    }
  }
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  auto matrix = positive_definite();
  matrix[at(5, 5)] = -1.0;
  EXPECT_FALSE(cholesky(matrix, kSize));
  std::vector<double> not_a_number{NAN};
  EXPECT_FALSE(cholesky(not_a_number, 1));
}

}  // namespace
}  // namespace sluice::kernels
