// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/klt/klt_calibration.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::kernels {
namespace {

TEST(KltBasis, OfADiagonalCovarianceSortsTheColumns) {
  const auto basis = klt_basis({1, 0, 0, 0, 9, 0, 0, 0, 4}, {}, 3);
  ASSERT_TRUE(basis);
  EXPECT_EQ(basis->variances, (std::vector<double>{9, 4, 1}));
  EXPECT_EQ(basis->forward, basis->inverse);
  EXPECT_DOUBLE_EQ(basis->forward[1] * basis->forward[1], 1.0);
  EXPECT_DOUBLE_EQ(basis->forward[5] * basis->forward[5], 1.0);
}

TEST(KltBasis, AWeightScalesTheColumnsAndTheInverseUndoesIt) {
  // Errors in column 0 cost 100 times as much: its variance counts so, and comes first.
  const auto basis = klt_basis({1, 0, 0, 4}, {100, 0, 0, 1}, 2);
  ASSERT_TRUE(basis);
  EXPECT_NEAR(basis->variances[0], 100.0, 1e-9);
  EXPECT_NEAR(basis->variances[1], 4.0, 1e-9);
  EXPECT_NEAR(basis->forward[0] * basis->inverse[0], 1.0, 1e-12);
  EXPECT_NEAR(basis->forward[0] * basis->forward[0], 100.0, 1e-9);
  EXPECT_FALSE(klt_basis({1, 0, 0, 4}, {1, 2, 2, 1}, 2));
}

}  // namespace
}  // namespace sluice::kernels
