// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvquant/vector_range.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(VectorRange, LeavesOutWhatIsFarOnEitherSide) {
  const std::vector<float> values{1, 9, 2, -8, 3, 2.5F};
  const VectorRange range = narrowest_range(values, 2);
  EXPECT_EQ(range.least, 1.0F);
  EXPECT_EQ(range.most, 3.0F);
  EXPECT_THAT(range.outliers, ElementsAre(1, 3));
  EXPECT_THAT(narrowest_range(values, 1).outliers, ElementsAre(3));
  EXPECT_THAT(narrowest_range(values, 0).outliers, IsEmpty());
}

TEST(VectorRange, IsTheNarrowestOfAll) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const std::size_t count = 1 + random() % 40;
    const auto outliers = static_cast<std::int64_t>(random() % count);
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(random() % 30);
    const VectorRange range = narrowest_range(values, outliers);
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    float least_span = 1e9F;
    for (std::size_t low = 0; low <= static_cast<std::size_t>(outliers); ++low) {
      const std::size_t high = low + count - 1 - static_cast<std::size_t>(outliers);
      least_span = std::min(least_span, sorted[high] - sorted[low]);
    }
    EXPECT_EQ(range.most - range.least, least_span);
    ASSERT_EQ(range.outliers.size(), static_cast<std::size_t>(outliers));
    for (std::size_t i = 0; i < count; ++i) {
      const bool is_out = std::binary_search(range.outliers.begin(), range.outliers.end(), i);
      if (!is_out) {
        EXPECT_GE(values[i], range.least);
        EXPECT_LE(values[i], range.most);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
