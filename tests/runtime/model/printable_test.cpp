// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/printable.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(Printable, QuotesAndReplacesControlCharacters) {
  EXPECT_EQ(printable("blk.0.attn_q.weight"), "'blk.0.attn_q.weight'");
  EXPECT_EQ(printable("a\x1b[31m\n-\xff"), "'a?[31m?-?'");
  EXPECT_EQ(printable(""), "''");
}

TEST(Printable, CutsLongNames) {
  EXPECT_EQ(printable(std::string(1000, 'x')), "'" + std::string(80, 'x') + "...'");
}

}  // namespace
}  // namespace sluice::runtime
