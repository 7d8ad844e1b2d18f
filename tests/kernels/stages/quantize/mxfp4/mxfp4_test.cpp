// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/mxfp4/mxfp4.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::decode_plane;
using testing_support::encode_plane;
using testing_support::make_stage;
using testing_support::TestPlane;

TEST(MxFp4, FollowsTheSpecificationByHand) {
  // The largest is 13: exponent 3, scale 2^(3 - 2) = 2, byte 128. 13 / 2 = 6.5 saturates at 6.
  const std::vector<float> values = {13.0F, -1.0F, 0.5F, 2.5F, -3.0F, 5.0F, 10.0F, 0.0F};
  const TestPlane plane(1, 8);
  const auto stage = make_stage(mxfp4_row(), {});
  const Coded coded = encode_plane(*stage, plane, values, 1);
  EXPECT_EQ(coded.side, std::vector<std::byte>{std::byte{128}});
  // -0.5; 0.25 is a tie to 0; 1.25 one to 1; -1.5; 2.5 one to 2; 5 one to 4.
  EXPECT_EQ(coded.symbols, (std::vector<std::uint8_t>{7, 9, 0, 2, 11, 4, 6, 0}));
  EXPECT_EQ(decode_plane(*stage, plane, coded),
            (std::vector<float>{12.0F, -1.0F, 0.0F, 2.0F, -3.0F, 4.0F, 8.0F, 0.0F}));
}

TEST(MxFp4, GroupsAreThirtyTwoChannels) {
  std::vector<float> values(3 * 80, 1.0F);
  values[40] = 4.0F;
  const TestPlane plane(3, 80);
  const auto stage = make_stage(mxfp4_row(), {});
  const Coded coded = encode_plane(*stage, plane, values, 3);
  ASSERT_EQ(coded.side.size(), 9U);
  EXPECT_EQ(coded.side[0], std::byte{125});
  EXPECT_EQ(coded.side[1], std::byte{127});
  EXPECT_EQ(decode_plane(*stage, plane, coded), values);
}

TEST(MxFp4, AnyScaleByteIsTakenAndAMissingOneIsCorrupt) {
  const TestPlane plane(2, 64);
  const auto stage = make_stage(mxfp4_row(), {});
  Coded coded = encode_plane(*stage, plane, std::vector<float>(128, 1.0F), 2);
  coded.side[0] = std::byte{255};
  coded.side[1] = std::byte{0};
  const auto values = decode_plane(*stage, plane, coded);
  EXPECT_EQ(values[0], 4 * 0x1p127F + 0.0F);
  EXPECT_EQ(values[32], 4 * 0x1p-127F);
  coded.side.pop_back();
  EXPECT_FALSE(testing_support::try_decode_plane(*stage, plane, coded));
}

}  // namespace
}  // namespace sluice::kernels
