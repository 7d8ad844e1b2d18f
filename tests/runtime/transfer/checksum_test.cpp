// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/checksum.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(Checksum, FoldingKeepsTheOrder) {
  EXPECT_NE(fold_checksum(fold_checksum(0, 1), 2), fold_checksum(fold_checksum(0, 2), 1));
}

TEST(Checksum, FoldingSeesEveryBit) {
  const std::uint64_t before = fold_checksum(0, 0x5a5a);
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_NE(fold_checksum(0, 0x5a5aU ^ (std::uint64_t{1} << bit)), before) << bit;
  }
}

}  // namespace
}  // namespace sluice::runtime
