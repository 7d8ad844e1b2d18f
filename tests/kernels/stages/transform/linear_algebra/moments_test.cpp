// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/moments.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::kernels {
namespace {

TEST(Moments, MeanAndCovarianceOverCaches) {
  const std::vector<float> rows = {1, 10, 3, 10, 5, 40};
  Moments moments(2);
  moments.add({rows.data(), 1, 2, 2});
  moments.add({rows.data() + 2, 2, 2, 2});
  EXPECT_EQ(moments.rows(), 3);
  EXPECT_EQ(moments.mean(), (std::vector<double>{3, 20}));
  const auto covariance = moments.second(true);
  EXPECT_NEAR(covariance[0], 8.0 / 3, 1e-12);
  EXPECT_NEAR(covariance[1], 20.0, 1e-12);
  EXPECT_NEAR(covariance[2], 20.0, 1e-12);
  EXPECT_NEAR(covariance[3], 200.0, 1e-12);
  EXPECT_NEAR(moments.second(false)[0], 35.0 / 3, 1e-12);
}

TEST(Moments, NothingSeenIsZero) {
  const Moments moments(2);
  EXPECT_EQ(moments.mean(), (std::vector<double>{0, 0}));
  EXPECT_EQ(moments.second(true), (std::vector<double>{0, 0, 0, 0}));
}

}  // namespace
}  // namespace sluice::kernels
