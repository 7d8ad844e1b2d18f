// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/svd/singular_basis.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

TEST(SingularBasis, WhatIsReadFitsWhatWasWritten) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows(30 * 12);
  for (auto& value : rows) value = normal(generator);
  ByteWriter writer;
  const LinearBlock forward = write_singular_basis({rows.data(), 30, 12, 12}, 5, writer);
  ByteReader reader(writer.bytes());
  const auto inverse = read_singular_basis(12, reader);
  ASSERT_TRUE(inverse);
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(forward.rank, 5);
  EXPECT_EQ(inverse->rank, 5);
  // The forward matrix [12][5] is dual to the rounded vectors [5][12].
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t j = 0; j < 5; ++j) {
      double product = 0;
      for (std::size_t c = 0; c < 12; ++c) {
        product += static_cast<double>(inverse->matrix[i * 12 + c]) *
                   static_cast<double>(forward.matrix[c * 5 + j]);
      }
      EXPECT_NEAR(product, i == j ? 1.0 : 0.0, 1e-6);
    }
  }
}

TEST(SingularBasis, RanksStayWithinRowsAndColumns) {
  const std::vector<float> rows(3 * 4, 1.0F);
  ByteWriter writer;
  EXPECT_EQ(write_singular_basis({rows.data(), 3, 4, 4}, 100, writer).rank, 3);
  EXPECT_EQ(write_singular_basis({rows.data(), 0, 4, 4}, 100, writer).rank, 1);
  const LinearBlock whole = write_singular_basis({rows.data(), 4, 3, 3}, 100, writer);
  EXPECT_EQ(whole.rank, 3);
  EXPECT_EQ(whole.matrix, nullptr);
}

}  // namespace
}  // namespace sluice::kernels
