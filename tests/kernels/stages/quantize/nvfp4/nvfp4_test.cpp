// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/nvfp4/nvfp4.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::TestPlane;

TEST(NvFp4, TheLargestGroupHasTheLargestScale) {
  std::vector<float> values(32, 0.0F);
  values[0] = -2688.0F;  // 6 * 448: plane scale 1, group scale 448
  values[16] = 12.0F;    // group scale 2
  values[17] = 3.0F;     // 1.5
  values[18] = 2.5F;     // 1.25, a tie to 1
  const TestPlane plane(1, 32);
  const auto stage = make_stage(nvfp4_row(), {});
  const Coded coded = encode_plane(*stage, plane, values, 1);
  float plane_scale = 0;
  ASSERT_EQ(coded.head.size(), 4U);
  std::memcpy(&plane_scale, coded.head.data(), 4);
  EXPECT_EQ(plane_scale, 1.0F);
  EXPECT_EQ(coded.side, (std::vector<std::byte>{std::byte{0x7e}, std::byte{0x40}}));
  EXPECT_EQ(coded.symbols[0], 15);
  EXPECT_EQ(coded.symbols[16], 7);
  EXPECT_EQ(coded.symbols[17], 3);
  EXPECT_EQ(coded.symbols[18], 2);
  values[18] = 2.0F;
  EXPECT_EQ(decode_plane(*stage, plane, coded), values);
}

TEST(NvFp4, ZerosAndSubnormalsComeBackAsZeros) {
  const TestPlane plane(2, 20);
  const auto stage = make_stage(nvfp4_row(), {});
  for (const float value : {0.0F, 1e-40F}) {
    const Coded coded = encode_plane(*stage, plane, std::vector<float>(40, value), 2);
    EXPECT_EQ(decode_plane(*stage, plane, coded), std::vector<float>(40, 0.0F));
  }
}

TEST(NvFp4, CutSideBytesAreCorrupt) {
  const TestPlane plane(2, 20);
  const auto stage = make_stage(nvfp4_row(), {});
  Coded coded = encode_plane(*stage, plane, std::vector<float>(40, 1.0F), 2);
  Coded no_side = coded;
  no_side.side.pop_back();
  EXPECT_FALSE(testing_support::try_decode_plane(*stage, plane, no_side));
  coded.head.pop_back();
  EXPECT_FALSE(testing_support::try_decode_plane(*stage, plane, coded));
}

}  // namespace
}  // namespace sluice::kernels
