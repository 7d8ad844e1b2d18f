// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/checksum.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::runtime {
namespace {

TEST(Checksum, SeesEverySingleBit) {
  std::vector<std::byte> bytes(300, std::byte{0x5a});
  const std::uint64_t before = checksum(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_NE(checksum(bytes), before) << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }
  EXPECT_EQ(checksum(bytes), before);
}

TEST(Checksum, IsTheOnePublished) {
  // XXH3_64bits of no bytes, from the algorithm's specification.
  EXPECT_EQ(checksum({}), 0x2d06800538d394c2U);
}

TEST(Checksum, FoldingKeepsTheOrder) {
  EXPECT_NE(fold_checksum(fold_checksum(0, 1), 2), fold_checksum(fold_checksum(0, 2), 1));
}

}  // namespace
}  // namespace sluice::runtime
