// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/turbo/turbo.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::TestPlane;

// Each level is the mean of its cell under the density of a unit vector's coordinate, times
// sqrt(d), for d = 128: the table is the fixed point it claims to be.
TEST(Turbo, LevelsAreTheCentroidsOfTheirCells) {
  for (const std::int32_t bits : {2, 3, 4}) {
    const auto levels = turbo_levels(bits);
    ASSERT_EQ(levels.size(), std::size_t{1} << (bits - 1));
    for (std::size_t m = 0; m < levels.size(); ++m) {
      const double from = m == 0 ? 0.0 : 0.5 * (double{levels[m - 1]} + double{levels[m]});
      const double to =
          m + 1 == levels.size() ? 9.0 : 0.5 * (double{levels[m]} + double{levels[m + 1]});
      double weight = 0;
      double moment = 0;
      constexpr int kPoints = 2000;
      for (int i = 0; i < kPoints; ++i) {
        const double x = from + (to - from) * (i + 0.5) / kPoints;
        const double density = std::pow(1 - x * x / 128, 62.5);
        weight += density;
        moment += density * x;
      }
      EXPECT_NEAR(levels[m], moment / weight, 2e-4) << bits << " bits, level " << m;
    }
  }
}

// Errors of Max's table (1960) for the normal distribution; on a sphere they are a little smaller.
TEST(Turbo, ErrorIsWhatLloydMaxPromises) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(200 * 128);
  for (float& value : values) value = 3.0F * normal(random);
  const TestPlane plane(200, 128);
  for (const auto& [bits, expected] : {std::pair{2.0, 0.1175}, {3.0, 0.03454}, {4.0, 0.009497}}) {
    const auto stage = make_stage(turbo_row(), {{"bits", bits}});
    const Coded coded = encode_plane(*stage, plane, values, 64);
    EXPECT_EQ(coded.side.size(), 400U);
    const double error =
        testing_support::rms_error(values, decode_plane(*stage, plane, coded)) / 3.0;
    EXPECT_NEAR(error * error, expected, 0.06 * expected) << bits;
  }
}

TEST(Turbo, SymbolsAscendWithTheirValues) {
  const auto stage = make_stage(turbo_row(), {{"bits", 2.0}});
  const TestPlane plane(1, 4);
  const Coded coded = encode_plane(*stage, plane, {-2.0F, -0.1F, 0.1F, 2.0F}, 1);
  EXPECT_EQ(coded.symbols, (std::vector<std::uint8_t>{0, 1, 2, 3}));
}

TEST(Turbo, ZerosAndExtremesStayFinite) {
  const TestPlane plane(2, 80);
  const auto stage = make_stage(turbo_row(), {{"group", 32.0}});
  for (const float value : {0.0F, 1e-40F, 3.4e38F}) {
    const auto back =
        decode_plane(*stage, plane, encode_plane(*stage, plane, std::vector<float>(160, value), 2));
    for (const float number : back) {
      ASSERT_TRUE(std::isfinite(number));
      if (value < 1.0F) {
        ASSERT_EQ(number, 0.0F);
      }
    }
  }
  encode_plane(*stage, plane, std::vector<float>(160, std::nanf("")), 2);
}

TEST(Turbo, AnySideBytesAreTakenButMissingOnes) {
  const TestPlane plane(3, 64);
  const auto stage = make_stage(turbo_row(), {});
  Coded coded = encode_plane(*stage, plane, std::vector<float>(192, 1.0F), 3);
  for (std::byte& byte : coded.side) byte = std::byte{0xff};
  EXPECT_EQ(decode_plane(*stage, plane, coded).size(), 192U);
  coded.side.pop_back();
  const auto values = testing_support::try_decode_plane(*stage, plane, coded);
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::kernels
