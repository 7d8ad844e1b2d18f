// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/pack/pack_device.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "kernels/core/device.hpp"
#include "kernels/stages/quantize/pack/pack_bits.hpp"

namespace sluice::kernels {
namespace {

void expect_as_on_the_host(const SymbolShape& shape, std::int64_t rows) {
  const auto queue = make_host_queue();
  std::mt19937 random(3);
  std::vector<std::uint8_t> symbols(static_cast<std::size_t>(rows) * shape.bits.size());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const unsigned bits = shape.bits[i % shape.bits.size()];
    symbols[i] = static_cast<std::uint8_t>(random() & ((1U << bits) - 1));
  }
  const std::size_t bytes = packed_bytes(shape, rows);
  std::vector<std::byte> expected(bytes);
  pack_symbols(shape, rows, symbols.data(), expected.data());
  std::vector<std::byte> packed(bytes, std::byte{0xaa});
  ASSERT_TRUE(pack_on(*queue, shape, rows, symbols.data(), packed.data()));
  EXPECT_EQ(packed, expected);
  std::vector<std::uint8_t> unpacked(symbols.size(), 0xaa);
  ASSERT_TRUE(unpack_on(*queue, shape, rows, packed.data(), unpacked.data()));
  EXPECT_EQ(unpacked, symbols);
}

TEST(PackOn, EveryWidthAndCount) {
  for (std::uint8_t bits = 0; bits <= 8; ++bits) {
    for (const std::size_t columns : {1, 2, 3, 7, 8, 9, 40, 77}) {
      SymbolShape shape;
      shape.bits.assign(columns, bits);
      for (const std::int64_t rows : {0, 1, 5}) expect_as_on_the_host(shape, rows);
    }
  }
}

TEST(PackOn, WidthsThatDifferByColumn) {
  SymbolShape shape;
  for (int i = 0; i < 90; ++i) shape.bits.push_back(static_cast<std::uint8_t>(i * 5 % 9));
  expect_as_on_the_host(shape, 6);
  shape.bits = {0, 0, 3, 0};
  expect_as_on_the_host(shape, 6);
}

TEST(PackOn, WithoutCudaTheLaunchersSaySo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "a build with CUDA";
  EXPECT_EQ(pack_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(unpack_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::kernels
