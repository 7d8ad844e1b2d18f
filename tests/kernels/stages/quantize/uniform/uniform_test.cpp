// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/uniform/uniform.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tests/kernels/stages/quantize/each_target.hpp"
#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::for_each_target;
using testing_support::make_stage;
using testing_support::TestPlane;

// With a tail beyond the symbols' reach.
std::vector<float> values_of(std::int64_t rows, std::int64_t columns) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (float& value : values) value = normal(random) * (random() % 50 == 0 ? 30.0F : 1.0F);
  return values;
}

TEST(Uniform, FollowsTheFormulaOnEveryInstructionSet) {
  for_each_target([] {
    for (const std::int64_t columns : {1, 3, 17, 80, 192}) {
      const auto values = values_of(6, columns);
      const TestPlane plane(6, columns);
      for (const double rounding : {0.5, 0.3}) {
        for (const double shrink : {0.0, 0.1}) {
          const auto stage = make_stage(
              uniform_row(), {{"step", 0.125}, {"rounding", rounding}, {"shrink", shrink}});
          const Coded coded = encode_plane(*stage, plane, values, 4);
          const auto back = decode_plane(*stage, plane, coded);
          std::size_t escapes = 0;
          for (std::size_t i = 0; i < values.size(); ++i) {
            const double size = std::abs(double{values[i]}) / 0.125;
            const double number = std::floor(size + rounding);
            const double near = std::abs(size + rounding - std::round(size + rounding));
            if (near < 1e-4) continue;  // FP32 may see a tie
            if (number > 127) {
              ASSERT_EQ(coded.symbols[i], 255);
              ++escapes;
            } else {
              ASSERT_EQ(coded.symbols[i], 127 + (values[i] < 0 ? -number : number));
            }
            const double expected = 0.125 * std::max(number - shrink, 0.0);
            ASSERT_NEAR(back[i], std::copysign(expected, values[i]), 1e-5 * expected);
          }
          ASSERT_GE(coded.side.size(), 4 * escapes);
          if (columns == 192) {
            ASSERT_GT(escapes, 0U);
          }
        }
      }
    }
  });
}

TEST(Uniform, HugeValuesAreCutAndStayFinite) {
  const std::vector<float> values = {3.3e38F, -3.3e38F, 1e12F, 0.0F};
  const TestPlane plane(1, 4);
  const auto stage = make_stage(uniform_row(), {{"step", 1e-3}});
  const auto back = decode_plane(*stage, plane, encode_plane(*stage, plane, values, 1));
  EXPECT_FLOAT_EQ(back[0], 0x1p30F * 1e-3F);
  EXPECT_FLOAT_EQ(back[1], -0x1p30F * 1e-3F);
  const auto coarse = make_stage(uniform_row(), {{"step", 1e30}});
  const auto far = decode_plane(*coarse, plane, encode_plane(*coarse, plane, values, 1));
  EXPECT_NEAR(far[0] / 3.3e38F, 1.0F, 1e-6F);
}

TEST(Uniform, NotANumberIsNoCrash) {
  for_each_target([] {
    const std::vector<float> values(40, std::nanf(""));
    const TestPlane plane(1, 40);
    const auto stage = make_stage(uniform_row(), {});
    decode_plane(*stage, plane, encode_plane(*stage, plane, values, 1));
  });
}

float step_sent(const Stage& stage, Plane plane) {
  ByteWriter side;
  const auto plan =
      dynamic_cast<const QuantizeStage&>(stage).begin_encode(plane, plane.columns(), {}, side);
  EXPECT_TRUE(plan);
  float step = 0;
  std::memcpy(&step, side.bytes().data(), sizeof step);
  return step;
}

TEST(Uniform, TheStepGoesByLevelHalfAndLayer) {
  const auto stage = make_stage(
      uniform_row(), {{"step", 0.5}, {"step_value", 0.25}, {"levels", std::vector<double>{1, 2}}});
  Profile profile;
  const float factor = 3.0F;
  profile.put("uniform.step.k.0", DType::kF32, {1}, std::as_bytes(std::span(&factor, 1)));
  const TestPlane key(1, 8);
  const TestPlane value(1, 8, KvHalf::kValue, 2);
  EXPECT_EQ(step_sent(*stage, key.plane()), 0.5F);
  EXPECT_EQ(step_sent(*stage, value.plane()), 0.5F);
  Plane calibrated = key.plane();
  calibrated.profile = &profile;
  EXPECT_EQ(step_sent(*stage, calibrated), 1.5F);
  calibrated.level = 8;
  EXPECT_EQ(step_sent(*stage, calibrated), 3.0F);
}

TEST(Uniform, HostileSideBytes) {
  const TestPlane plane(2, 3);
  const auto stage = make_stage(uniform_row(), {{"step", 1.0}});
  const Coded coded = encode_plane(*stage, plane, {1, 200, 3, -300, 5, 6}, 2);
  ASSERT_EQ(coded.side.size(), 8U);
  EXPECT_EQ(decode_plane(*stage, plane, coded), (std::vector<float>{1, 200, 3, -300, 5, 6}));
  Coded cut = coded;
  cut.side.pop_back();
  EXPECT_FALSE(testing_support::try_decode_plane(*stage, plane, cut));
  for (const float step : {0.0F, -1.0F, INFINITY, NAN, 1e31F}) {
    Coded wrong = coded;
    std::memcpy(wrong.head.data(), &step, sizeof step);
    const auto values = testing_support::try_decode_plane(*stage, plane, wrong);
    ASSERT_FALSE(values);
    EXPECT_EQ(values.error().code, ErrorCode::kCorrupt);
  }
  Coded least = coded;
  const std::int32_t number = INT32_MIN;
  std::memcpy(least.side.data(), &number, sizeof number);
  EXPECT_EQ(decode_plane(*stage, plane, least)[1], -0x1p31F);
}

}  // namespace
}  // namespace sluice::kernels
