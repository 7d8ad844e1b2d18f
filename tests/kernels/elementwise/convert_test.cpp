// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/convert.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace sluice::kernels {
namespace {

TEST(ConvertRows, RoundsLikeTheScalarConversion) {
  std::mt19937 generator(1);
  std::vector<float> from;
  for (int i = 0; i < 997; ++i) {
    // Any bits: infinities, subnormals, both zeros; NaNs are looked at below.
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(generator()));
    from.push_back(std::isnan(value) ? 1.0F : value);
  }
  from.insert(from.end(), {0x1.01p0F, 0x1.03p0F, std::numeric_limits<float>::max(), -0.0F,
                           std::numeric_limits<float>::infinity()});
  const auto width = static_cast<std::int64_t>(from.size());
  std::vector<std::uint16_t> to(from.size());
  convert_rows(1, width, {from.data(), DType::kF32, width}, {to.data(), DType::kBF16, width});
  for (std::size_t i = 0; i < from.size(); ++i) EXPECT_EQ(to[i], bf16_from_f32(from[i])) << i;
  std::vector<float> back(from.size());
  convert_rows(1, width, {to.data(), DType::kBF16, width}, {back.data(), DType::kF32, width});
  for (std::size_t i = 0; i < from.size(); ++i) EXPECT_EQ(back[i], f32_from_bf16(to[i])) << i;
}

TEST(ConvertRows, NanStaysNan) {
  std::vector<float> from(20, std::bit_cast<float>(0x7f800001U));
  std::vector<std::uint16_t> to(20);
  convert_rows(1, 20, {from.data(), DType::kF32, 20}, {to.data(), DType::kBF16, 20});
  for (const std::uint16_t bits : to) EXPECT_TRUE(std::isnan(f32_from_bf16(bits)));
}

TEST(ConvertRows, StridesSkipWhatLiesBetween) {
  const std::vector<float> from{1, 2, 9, 3, 4, 9};
  std::vector<float> to(8, -1.0F);
  convert_rows(2, 2, {from.data(), DType::kF32, 3}, {to.data(), DType::kF32, 4});
  EXPECT_THAT(to, ::testing::ElementsAre(1, 2, -1, -1, 3, 4, -1, -1));
}

TEST(GatherRows, PicksRowsById) {
  const std::vector<float> table{0, 1, 10, 11, 20, 21};
  const std::int32_t ids[] = {2, 0, 2};
  std::vector<float> to(6);
  gather_rows(ids, 2, {table.data(), DType::kF32, 2}, {to.data(), DType::kF32, 2});
  EXPECT_THAT(to, ::testing::ElementsAre(20, 21, 0, 1, 20, 21));
}

// Wide enough to be shared out among threads: every row must still be written once.
TEST(ConvertRows, LargeWorkIsWhole) {
  std::vector<float> from(300 * 401);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  std::vector<float> to(from.size());
  convert_rows(300, 401, {from.data(), DType::kF32, 401}, {to.data(), DType::kF32, 401});
  EXPECT_TRUE(to == from);
}

}  // namespace
}  // namespace sluice::kernels
