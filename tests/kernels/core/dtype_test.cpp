// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/dtype.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace sluice {
namespace {

TEST(DType, BlockTypesSayTheirSizes) {
  EXPECT_STREQ(dtype_name(DType::kQ4_1), "q4_1");
  EXPECT_EQ(dtype_block_elements(DType::kF16), 1U);
  EXPECT_EQ(dtype_block_bytes(DType::kF16), 2U);
  // Two FP16 and 32 nibbles.
  EXPECT_EQ(dtype_block_elements(DType::kQ4_1), 32U);
  EXPECT_EQ(dtype_block_bytes(DType::kQ4_1), 2U * 2U + 16U);
}

TEST(Bf16, EveryPatternSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits <= 0xffffU; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float value = f32_from_bf16(pattern);
    const std::uint16_t back = bf16_from_f32(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f32_from_bf16(back))) << bits;
    } else {
      EXPECT_EQ(back, pattern);
    }
  }
}

TEST(Bf16, TiesGoToEven) {
  // Between 1 and its neighbour 1 + 2^-7 lies 1 + 2^-8.
  EXPECT_EQ(f32_from_bf16(bf16_from_f32(1.0F + 0x1p-8F)), 1.0F);
  EXPECT_EQ(f32_from_bf16(bf16_from_f32(1.0F + 3 * 0x1p-8F)), 1.0F + 0x1p-6F);
  EXPECT_EQ(f32_from_bf16(bf16_from_f32(1.0F + 0x1p-8F + 0x1p-20F)), 1.0F + 0x1p-7F);
  // Above the largest value it rounds to infinity, as IEEE says.
  EXPECT_TRUE(std::isinf(f32_from_bf16(bf16_from_f32(std::numeric_limits<float>::max()))));
}

TEST(F16, KnownPatterns) {
  EXPECT_EQ(f32_from_f16(0x3c00), 1.0F);
  EXPECT_EQ(f32_from_f16(0xc000), -2.0F);
  EXPECT_EQ(f32_from_f16(0x7bff), 65504.0F);
  EXPECT_EQ(f32_from_f16(0x0001), 0x1p-24F);
  EXPECT_EQ(f32_from_f16(0x83ff), -0x3ffp-24F);
  EXPECT_TRUE(std::isinf(f32_from_f16(0x7c00)));
  EXPECT_TRUE(std::isnan(f32_from_f16(0x7e00)));
  EXPECT_TRUE(std::signbit(f32_from_f16(0x8000)));
}

}  // namespace
}  // namespace sluice
