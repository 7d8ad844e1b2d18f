// SPDX-License-Identifier: Apache-2.0
// What the stage adds to plane_coder_test.cpp.
#include "kernels/stages/entropy/arithmetic/arithmetic.hpp"

#include <gtest/gtest.h>

#include "tests/kernels/stages/entropy/test_symbols.hpp"

namespace sluice::kernels {
namespace {

TEST(Arithmetic, BytesBehindTheLastSymbolAreRefused) {
  const TestPlace place;
  const auto stage = make_entropy_stage(arithmetic_row(), "adaptive");
  const TestPlane plane = gaussian_plane(100, same_bits(8, 4), 1);
  auto bytes = encoded(*stage, place.plane, plane);
  ASSERT_EQ(bytes.front(), std::byte{2});
  bytes.push_back(std::byte{0});
  std::vector<std::uint8_t> symbols(plane.symbols.size());
  const auto status = stage->decode(place.plane, plane.shape, plane.rows, bytes, symbols.data());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::kernels
