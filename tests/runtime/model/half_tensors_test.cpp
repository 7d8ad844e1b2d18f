// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/half_tensors.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/core/dtype.hpp"

namespace sluice::runtime {
namespace {

TEST(F16FromF32, EveryHalfComesBack) {
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const float value = f32_from_f16(static_cast<std::uint16_t>(half));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f32_from_f16(f16_from_f32(value))));
    } else {
      ASSERT_EQ(f16_from_f32(value), half);
    }
  }
}

TEST(F16FromF32, RoundsToTheNearest) {
  for (std::uint32_t half = 0; half < 0x7bff; ++half) {
    const float low = f32_from_f16(static_cast<std::uint16_t>(half));
    const float high = f32_from_f16(static_cast<std::uint16_t>(half + 1));
    const float middle = low + (high - low) / 2;
    const std::uint32_t even = half % 2 == 0 ? half : half + 1;
    ASSERT_EQ(f16_from_f32(middle), even);
    ASSERT_EQ(f16_from_f32(std::nextafter(middle, 0.0F)), half);
    ASSERT_EQ(f16_from_f32(std::nextafter(middle, 1e9F)), half + 1);
    ASSERT_EQ(f16_from_f32(-middle), 0x8000U | even);
  }
  EXPECT_EQ(f16_from_f32(65519.0F), 0x7bff);
  EXPECT_EQ(f16_from_f32(65520.0F), 0x7c00);
  EXPECT_EQ(f16_from_f32(-std::numeric_limits<float>::infinity()), 0xfc00);
}

kernels::Profile with(std::vector<float> values, std::int64_t columns) {
  kernels::Profile profile;
  profile.put("a", DType::kF32, {static_cast<std::int64_t>(values.size()) / columns, columns},
              std::as_bytes(std::span(values)));
  return profile;
}

std::vector<float> gaussian(std::size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> value;
  std::vector<float> values(count);
  for (float& one : values) one = value(random);
  return values;
}

TEST(RoundToHalves, LargeTensorsAreRounded) {
  const auto values = gaussian(4096);
  kernels::Profile profile = with(values, 64);
  EXPECT_TRUE(exact_halves(*profile.find("a")).empty());
  round_to_halves(profile);
  const TensorView tensor = *profile.find("a");
  EXPECT_EQ(tensor.dtype, DType::kF32);
  EXPECT_EQ(tensor.shape[1], 64);
  EXPECT_EQ(exact_halves(tensor).size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(tensor.as<float>()[i], values[i], std::abs(values[i]) / 2048 + 1e-7);
  }
}

TEST(RoundToHalves, WhatWouldLoseStays) {
  auto small_row = gaussian(4096);
  for (std::size_t i = 0; i < 64; ++i) small_row[i] *= 1e-6F;
  auto small_column = gaussian(4096);
  for (std::size_t i = 0; i < 4096; i += 64) small_column[i] *= 1e-6F;
  auto large = gaussian(4096);
  large[77] = 1e5F;
  for (const auto& values : {small_row, small_column, large}) {
    kernels::Profile profile = with(values, 64);
    const auto before = profile.hash();
    round_to_halves(profile);
    EXPECT_EQ(profile.hash(), before);
  }
}

TEST(RoundToHalves, SmallAndOtherTensorsStay) {
  kernels::Profile profile = with(gaussian(512), 64);
  const std::vector<std::int32_t> numbers(4096, 3);
  profile.put("b", DType::kI32, {4096}, std::as_bytes(std::span(numbers)));
  const auto before = profile.hash();
  round_to_halves(profile);
  EXPECT_EQ(profile.hash(), before);
  EXPECT_TRUE(exact_halves(*profile.find("b")).empty());
}

TEST(ExactHalves, NegativeZeroIsOne) {
  kernels::Profile profile = with({-0.0F, 1.0F}, 2);
  EXPECT_EQ(exact_halves(*profile.find("a")), (std::vector<std::uint16_t>{0x8000, 0x3c00}));
}

}  // namespace
}  // namespace sluice::runtime
