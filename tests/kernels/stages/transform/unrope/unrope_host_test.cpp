// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/stages/transform/unrope/unrope_device.hpp"

namespace sluice::kernels {
namespace {

TEST(CosSin, IsNearTheTrueValues) {
  std::mt19937_64 generator(1);
  for (const double range : {0.5, 4.0, 100.0, 131072.0, 1e9}) {
    std::uniform_real_distribution<double> angles(-range, range);
    for (int i = 0; i < 2000; ++i) {
      const double angle = angles(generator);
      const CosSin turn = cos_sin(angle);
      ASSERT_NEAR(turn.cosine, std::cos(angle), 1e-13) << angle;
      ASSERT_NEAR(turn.sine, std::sin(angle), 1e-13) << angle;
    }
  }
  EXPECT_EQ(cos_sin(0.0).cosine, 1.0);
  EXPECT_EQ(cos_sin(0.0).sine, 0.0);
}

TEST(CosSin, EdgesOfQuadrantsAndRangesAreDefined) {
  for (int quarter = -9; quarter <= 9; ++quarter) {
    const double angle = quarter * std::acos(0.0);
    EXPECT_NEAR(cos_sin(angle).cosine, std::cos(angle), 1e-13) << quarter;
    EXPECT_NEAR(cos_sin(angle).sine, std::sin(angle), 1e-13) << quarter;
  }
  for (const double angle : {1e300, -1e20, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(cos_sin(angle).cosine, 1.0) << angle;
    EXPECT_EQ(cos_sin(angle).sine, 0.0) << angle;
  }
}

TEST(UnropeHost, EveryTargetGivesTheBitsOfTheBody) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  struct Shape {
    std::int64_t heads;
    std::int64_t head_dim;
    std::int64_t pairs;
  };
  for (const Shape& s : {Shape{3, 64, 32}, Shape{1, 80, 40}, Shape{2, 3, 1}, Shape{4, 96, 24}}) {
    for (const bool is_interleaved : {false, true}) {
      UnropeTask task;
      const std::vector<std::int32_t> positions = {0, 1, 77, 4095, 131071, 2147483647};
      std::vector<double> radians;
      for (std::int64_t i = 0; i < s.pairs; ++i) radians.push_back(1.0 / (1.0 + 0.37 * i));
      task.rows = static_cast<std::int64_t>(positions.size());
      task.positions = positions.data();
      task.radians = radians.data();
      task.heads = s.heads;
      task.head_dim = s.head_dim;
      task.pairs = s.pairs;
      task.cosine_scale = 0.9;
      task.sine_scale = -0.9;
      task.is_interleaved = is_interleaved;
      task.from_stride = s.heads * s.head_dim + 5;
      task.to_stride = s.heads * s.head_dim + 2;
      std::vector<float> from(static_cast<std::size_t>(task.rows * task.from_stride));
      for (auto& value : from) value = normal(generator);
      std::vector<float> by_body(static_cast<std::size_t>(task.rows * task.to_stride), -1.0F);
      task.from = from.data();
      task.to = by_body.data();
      run_on_host(task.rows, UnropeBody{task});
      for (const auto target : hwy::SupportedAndGeneratedTargets()) {
        SCOPED_TRACE(hwy::TargetName(target));
        hwy::SetSupportedTargetsForTest(target);
        std::vector<float> tuned(by_body.size(), -1.0F);
        task.to = tuned.data();
        unrope_on_host(task);
        ASSERT_EQ(tuned, by_body) << s.head_dim << " " << is_interleaved;
      }
      hwy::SetSupportedTargetsForTest(0);
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
