// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/small_float/small_float_stage.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::Coded;
using testing_support::encode_plane;
using testing_support::TestPlane;

TEST(SmallFloatStage, TilesDoNotShowAndNoRowsAreNoScales) {
  std::vector<float> values(9 * 80);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 1000);
  const TestPlane plane(9, 80);
  const TestPlane none(0, 80);
  for (const auto format :
       {SmallFloatFormat::kFp8, SmallFloatFormat::kMxFp4, SmallFloatFormat::kNvFp4}) {
    const auto stage = make_small_float_stage(format, 16);
    const Coded whole = encode_plane(*stage, plane, values, 9);
    const Coded tiled = encode_plane(*stage, plane, values, 2);
    EXPECT_EQ(whole.symbols, tiled.symbols);
    EXPECT_EQ(whole.side, tiled.side);
    EXPECT_EQ(whole.head, tiled.head);
    EXPECT_TRUE(encode_plane(*stage, none, {}, 1).side.empty());
  }
}

}  // namespace
}  // namespace sluice::kernels
