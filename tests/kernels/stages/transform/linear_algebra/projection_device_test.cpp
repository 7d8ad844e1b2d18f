// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/projection_device.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/core/device.hpp"

namespace sluice::kernels {
namespace {

constexpr std::int64_t kRows = 19;
constexpr std::int64_t kColumns = 100;

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> value;
  std::vector<float> values(count);
  for (float& number : values) number = value(generator);
  return values;
}

// 70 columns to 33 and back, with a mean or without; 30 columns copied, with one or without.
std::vector<LinearBlock> blocks_of(const float* mean, bool is_inverse) {
  std::vector<LinearBlock> blocks(2);
  blocks[0].columns = 70;
  blocks[0].rank = 33;
  blocks[0].out_first = 30;
  blocks[0].mean = mean;
  blocks[0].own(random_floats(70 * 33, is_inverse ? 5 : 4));
  blocks[1].first = 70;
  blocks[1].columns = 30;
  blocks[1].rank = 30;
  blocks[1].mean = mean;
  return blocks;
}

TEST(ProjectionOnAQueue, GivesThePlansBits) {
  const auto queue = make_host_queue();
  const auto rows = random_floats(kRows * kColumns, 1);
  const auto mean = random_floats(70, 2);
  for (const float* of : {static_cast<const float*>(nullptr), mean.data()}) {
    std::vector<float> expected(kRows * 63);
    std::vector<float> actual(kRows * 63);
    make_forward(blocks_of(of, false))
        ->forward(0, {rows.data(), kRows, kColumns, kColumns}, {expected.data(), kRows, 63, 63});
    const auto plan = make_forward(blocks_of(of, false));
    ASSERT_TRUE(plan->forward_on(*queue, {rows.data(), kRows, kColumns, kColumns},
                                 {actual.data(), kRows, 63, 63}));
    EXPECT_EQ(actual, expected);

    std::vector<float> expected_rows(kRows * kColumns);
    std::vector<float> actual_rows(kRows * kColumns);
    make_inverse(blocks_of(of, true))
        ->inverse(0, {expected.data(), kRows, 63, 63},
                  {expected_rows.data(), kRows, kColumns, kColumns});
    const auto inverse = make_inverse(blocks_of(of, true));
    ASSERT_TRUE(inverse->inverse_on(*queue, {expected.data(), kRows, 63, 63},
                                    {actual_rows.data(), kRows, kColumns, kColumns}));
    EXPECT_EQ(actual_rows, expected_rows);
  }
}

TEST(ProjectionOnAQueue, WithoutCudaTheLauncherSaysSo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "a build with CUDA";
  EXPECT_EQ(shift_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::kernels
