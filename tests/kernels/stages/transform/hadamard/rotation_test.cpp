// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/hadamard/rotation.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace sluice::kernels {
namespace {

TEST(Rotation, BlocksAreTheLargestPowerOfTwoWithinAHead) {
  const auto block = [](std::int64_t columns, std::int64_t head_dim) {
    return Rotation(columns, head_dim, false, 0).block();
  };
  EXPECT_EQ(block(128, 64), 64);
  EXPECT_EQ(block(160, 80), 16);
  EXPECT_EQ(block(96, 96), 32);
  EXPECT_EQ(block(6, 3), 1);
  EXPECT_EQ(block(40, 64), 8);  // fewer columns than a head: all are one
  EXPECT_EQ(block(0, 64), 64);
}

// The signs are part of the frames: those of seed 0, by the generator's published first outputs
// (0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec).
TEST(Rotation, SignsAreTheGeneratorsLowBits) {
  const Rotation rotation(4, 4, true, 0);
  for (std::size_t c = 0; c < 4; ++c) {
    std::vector<float> values(4, 0.0F);
    values[c] = 2.0F;
    std::vector<float> turned(4);
    rotation.forward({values.data(), 1, 4, 4}, {turned.data(), 1, 4, 4});
    EXPECT_EQ(turned[0], c == 0 || c == 2 ? -1.0F : 1.0F) << c;
  }
}

}  // namespace
}  // namespace sluice::kernels
