// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/fp8/fp8.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::TestPlane;

TEST(Fp8, ErrorsAreWithinHalfAMantissaStep) {
  std::vector<float> values(5 * 80);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(static_cast<float>(i)) * static_cast<float>(1 + i / 80);
  }
  const TestPlane plane(5, 80);
  for (const double group : {0.0, 32.0}) {
    const auto stage = make_stage(fp8_row(), {{"group", group}});
    const Coded coded = encode_plane(*stage, plane, values, 2);
    EXPECT_EQ(coded.side.size(), group == 0 ? 10U : 30U);
    EXPECT_EQ(coded.shape.bits[0], 8);
    const auto back = decode_plane(*stage, plane, coded);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float row_max = static_cast<float>(1 + i / 80);
      ASSERT_NEAR(back[i], values[i], std::abs(values[i]) / 16 + row_max * 0x1p-17F) << i;
    }
  }
}

TEST(Fp8, ZerosComeBack) {
  const std::vector<float> values(64, 0.0F);
  const TestPlane plane(1, 64);
  const auto stage = make_stage(fp8_row(), {});
  EXPECT_EQ(decode_plane(*stage, plane, encode_plane(*stage, plane, values, 1)), values);
}

TEST(Fp8, MissingScalesAreCorrupt) {
  const TestPlane plane(2, 64);
  const auto stage = make_stage(fp8_row(), {});
  Coded coded = encode_plane(*stage, plane, std::vector<float>(128, 1.0F), 2);
  coded.side.pop_back();
  const auto values = testing_support::try_decode_plane(*stage, plane, coded);
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::kernels
