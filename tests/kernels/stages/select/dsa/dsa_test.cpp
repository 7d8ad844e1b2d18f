// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/dsa/dsa.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/stages/select/select_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

// Keys along the query rank first whatever the signs of the projection: the product with it keeps
// its sign for multiples of one vector, and opposite ones are cut off.
TEST(Dsa, RanksKeysByTheirProductsWithTheQuestion) {
  SelectCase layer(6);
  layer.scores.window_first = 5;
  layer.fill(4, {1, 0, 0, 0, -9, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0});
  layer.scores.queries = {1, 0, 0, 0, 2, 0, 0, 0};  // two heads share K
  EXPECT_EQ(layer.kept(dsa_row(), {{"budget", 3.0}, {"sinks", 0.0}, {"width", 8.0}}), "2 3 5");
  // Eight projections of one unit: the product of +1 and +1 or -1 and -1, eight times; two heads.
  EXPECT_FLOAT_EQ(layer.state.levels.importance[0], 8.0F + 16.0F);
  EXPECT_FLOAT_EQ(layer.state.levels.importance[1], 0.0F);
}

TEST(Dsa, FollowsItsFormulaOverHeadsAndWindow) {
  SelectCase layer(300, 2);
  layer.scores.window_first = 297;
  std::vector<float> keys;
  for (int i = 0; i < 2 * 300 * 4; ++i) keys.push_back(static_cast<float>(i * 37 % 11 - 5));
  layer.fill(4, keys);
  for (int i = 0; i < 3 * 4 * 4; ++i) {
    layer.scores.queries.push_back(static_cast<float>(i * 29 % 7 - 3));
  }
  // As wide as this, products of projections come close to 4096 times those of the vectors.
  ASSERT_TRUE(layer.run(dsa_row(), {{"budget", 0.5}, {"width", 1024.0}}));
  double error = 0;
  double size = 0;
  for (int head = 0; head < 2; ++head) {
    for (int t = 4; t < 297; ++t) {
      double exact = 0;
      for (int i = 0; i < 3; ++i) {
        for (int j = 2 * head; j < 2 * head + 2; ++j) {
          double product = 0;
          for (int d = 0; d < 4; ++d) {
            product += static_cast<double>(
                           layer.scores.queries[static_cast<std::size_t>((i * 4 + j) * 4 + d)]) *
                       keys[static_cast<std::size_t>((head * 300 + t) * 4 + d)];
          }
          exact += std::max(product, 0.0);
        }
      }
      const double ours =
          layer.state.levels.importance[static_cast<std::size_t>(head * 300 + t)] / 1024.0;
      error += (ours - exact) * (ours - exact);
      size += exact * exact;
    }
  }
  EXPECT_LT(error, 0.02 * size);
}

TEST(Dsa, WithoutQueriesIsASentence) {
  SelectCase layer(4);
  EXPECT_THAT(layer.kept(dsa_row(), {}), HasSubstr("needs the queries"));
  layer.scores.window_first = 2;
  layer.scores.queries.resize(7);
  EXPECT_THAT(layer.kept(dsa_row(), {}), HasSubstr("needs the queries"));
}

}  // namespace
}  // namespace sluice::kernels
