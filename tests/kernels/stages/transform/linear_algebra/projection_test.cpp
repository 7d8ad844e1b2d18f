// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/projection.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace sluice::kernels {
namespace {

TEST(Projection, BlocksGoTheirWaysAndBack) {
  // Columns 0 and 1 swap after their mean is gone, column 2 is copied, column 3 is dropped.
  const std::vector<float> mean = {10.0F, 20.0F};
  const std::vector<float> swap = {0, 1, 1, 0};
  const auto blocks = [&] {
    std::vector<LinearBlock> list(2);
    list[0].columns = 2;
    list[0].rank = 2;
    list[0].out_first = 1;
    list[0].mean = mean.data();
    list[0].own(swap);
    list[1].first = 2;
    list[1].columns = 1;
    list[1].rank = 1;
    return list;
  };
  const std::vector<float> rows = {11, 22, 3, 4, 12, 24, 6, 8};
  std::vector<float> transformed(6);
  const auto forward = make_forward(blocks());
  ASSERT_EQ(forward->columns(), 3);
  forward->forward(0, {rows.data(), 2, 4, 4}, {transformed.data(), 2, 3, 3});
  EXPECT_EQ(transformed, (std::vector<float>{3, 2, 1, 6, 4, 2}));
  std::vector<float> back(8, -1.0F);
  const auto inverse = make_inverse(blocks());
  ASSERT_EQ(inverse->columns(), 3);
  inverse->inverse(0, {transformed.data(), 2, 3, 3}, {back.data(), 2, 4, 4});
  EXPECT_EQ(back, (std::vector<float>{11, 22, 3, -1, 12, 24, 6, -1}));
}

TEST(Projection, TransposesItsMatrices) {
  const std::vector<float> source = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(transposed(source.data(), 2, 3), (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

}  // namespace
}  // namespace sluice::kernels
