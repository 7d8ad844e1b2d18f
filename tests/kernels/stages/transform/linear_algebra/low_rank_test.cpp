// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/low_rank.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

// Rows of a decaying spectrum: mixed columns, channel c scaled by decay^c.
std::vector<float> decaying_rows(std::int64_t rows, std::int64_t columns, double decay) {
  std::mt19937 generator(11);
  std::normal_distribution<double> normal;
  std::vector<double> mix(static_cast<std::size_t>(columns * columns));
  for (auto& value : mix) value = normal(generator);
  orthonormalize_rows(mix.data(), columns, columns);
  std::vector<float> result(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r) {
    std::vector<double> row(static_cast<std::size_t>(columns), 0.0);
    double scale = 1.0;
    for (std::int64_t k = 0; k < columns; ++k, scale *= decay) {
      const double weight = scale * normal(generator);
      for (std::int64_t c = 0; c < columns; ++c) {
        row[static_cast<std::size_t>(c)] += weight * mix[static_cast<std::size_t>(k * columns + c)];
      }
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      result[static_cast<std::size_t>(r * columns + c)] =
          static_cast<float>(row[static_cast<std::size_t>(c)]);
    }
  }
  return result;
}

double product(const float* a, const float* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

double energy(const std::vector<float>& values) {
  return product(values.data(), values.data(), static_cast<std::int64_t>(values.size()));
}

// The energy that a projection on orthonormal vectors keeps.
double kept_energy(const std::vector<float>& rows, const std::vector<float>& vectors,
                   std::int64_t columns) {
  double kept = 0;
  for (std::size_t r = 0; r < rows.size(); r += static_cast<std::size_t>(columns)) {
    for (std::size_t v = 0; v < vectors.size(); v += static_cast<std::size_t>(columns)) {
      const double c = product(rows.data() + r, vectors.data() + v, columns);
      kept += c * c;
    }
  }
  return kept;
}

void expect_orthonormal(const std::vector<float>& vectors, std::int64_t columns) {
  const auto count = static_cast<std::int64_t>(vectors.size()) / columns;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) {
      ASSERT_NEAR(product(vectors.data() + i * columns, vectors.data() + j * columns, columns),
                  i == j ? 1.0 : 0.0, 2e-6)
          << i << "," << j;
    }
  }
}

TEST(RightSingularVectors, KeepWhatTheBestBasisKeeps) {
  constexpr std::int64_t kColumns = 160;
  const auto rows = decaying_rows(300, kColumns, 0.96);
  const ConstMatrix view{rows.data(), 300, kColumns, kColumns};
  const auto whole = right_singular_vectors(view, kColumns);
  expect_orthonormal(whole, kColumns);
  EXPECT_NEAR(kept_energy(rows, whole, kColumns), energy(rows), 1e-5 * energy(rows));
  for (const std::int64_t rank : {1, 4, 20}) {  // by iteration
    const auto some = right_singular_vectors(view, rank);
    ASSERT_EQ(some.size(), static_cast<std::size_t>(rank * kColumns));
    expect_orthonormal(some, kColumns);
    const std::vector<float> best(whole.begin(), whole.begin() + rank * kColumns);
    const double best_lost = energy(rows) - kept_energy(rows, best, kColumns);
    const double lost = energy(rows) - kept_energy(rows, some, kColumns);
    EXPECT_LE(lost, 1.01 * best_lost) << rank;
    EXPECT_GE(lost, 0.999 * best_lost) << rank;
  }
}

TEST(RightSingularVectors, IterateOnRowsWhenThereAreManyColumns) {
  constexpr std::int64_t kColumns = 1600;
  // 20 rows: the rank of 20 holds everything.
  std::mt19937 generator(12);
  std::normal_distribution<float> normal;
  std::vector<float> rows(20 * kColumns);
  for (auto& value : rows) value = normal(generator);
  const auto vectors = right_singular_vectors({rows.data(), 20, kColumns, kColumns}, 20);
  EXPECT_NEAR(kept_energy(rows, vectors, kColumns), energy(rows), 1e-4 * energy(rows));
}

TEST(RightSingularVectors, EdgesAreDefined) {
  const std::vector<float> constant(10 * 7, 3.0F);
  const auto of_constant = right_singular_vectors({constant.data(), 10, 7, 7}, 2);
  EXPECT_NEAR(std::abs(of_constant[0]), 1.0 / std::sqrt(7.0), 1e-6);
  expect_orthonormal(of_constant, 7);
  expect_orthonormal(right_singular_vectors({nullptr, 0, 7, 7}, 7), 7);  // no rows: any basis
  const std::vector<float> one = {0.0F, 3.0F, 4.0F};
  const auto of_one = right_singular_vectors({one.data(), 1, 3, 3}, 3);
  EXPECT_NEAR(std::abs(of_one[2]), 0.8, 1e-6);
  // Iteration on a matrix of rank 1: later vectors are zero or orthonormal, never NaN.
  std::vector<float> flat(50 * 128, 1.0F);
  const auto of_flat = right_singular_vectors({flat.data(), 50, 128, 128}, 8);
  EXPECT_NEAR(kept_energy(flat, of_flat, 128), energy(flat), 1e-5 * energy(flat));
  for (const float value : of_flat) ASSERT_TRUE(std::isfinite(value));
}

TEST(RightSingularVectors, EveryTargetGivesTheSameBits) {
  const auto rows = decaying_rows(60, 100, 0.9);
  const ConstMatrix view{rows.data(), 60, 100, 100};
  const auto expected = right_singular_vectors(view, 6);
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    EXPECT_EQ(right_singular_vectors(view, 6), expected) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(DualBasis, MakesARoundedBasisExactWithinItsSpan) {
  constexpr std::int64_t kColumns = 48;
  constexpr std::int64_t kRank = 20;
  const auto rows = decaying_rows(100, kColumns, 0.9);
  auto vectors = right_singular_vectors({rows.data(), 100, kColumns, kColumns}, kRank);
  for (auto& value : vectors) value = f32_from_bf16(bf16_from_f32(value));
  const auto dual = dual_basis(vectors, kRank, kColumns);
  for (std::int64_t i = 0; i < kRank; ++i) {
    for (std::int64_t j = 0; j < kRank; ++j) {
      ASSERT_NEAR(product(dual.data() + i * kColumns, vectors.data() + j * kColumns, kColumns),
                  i == j ? 1.0 : 0.0, 1e-6);
    }
  }
}

TEST(DualBasis, ARowOfZerosStaysOne) {
  const std::vector<float> vectors = {1.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.5F};
  const auto dual = dual_basis(vectors, 3, 3);
  EXPECT_EQ(dual, (std::vector<float>{1, 0, 0, 0, 0, 0, 0, 0, 2}));
}

TEST(OrthonormalizeRows, DropsWhatDepends) {
  std::vector<double> rows = {2, 0, 0, 1, 1, 0, 3, 5, 0};
  orthonormalize_rows(rows.data(), 3, 3);
  EXPECT_EQ(rows, (std::vector<double>{1, 0, 0, 0, 1, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace sluice::kernels
