// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_groups.hpp"

#include <gtest/gtest.h>

namespace sluice::kernels {
namespace {

TEST(SymbolGroups, AreContextsOfOneNumberOfBits) {
  const SymbolShape shape{.bits = {4, 0, 4, 2, 4, 2}, .context = {7, 7, 65535, 7, 7, 9}};
  const SymbolGroups groups = SymbolGroups::of(shape).value();
  EXPECT_EQ(groups.columns, (std::vector<std::uint32_t>{0, 2, 3, 4, 5}));
  EXPECT_EQ(groups.group_of, (std::vector<std::uint32_t>{0, 1, 2, 0, 3}));
  EXPECT_EQ(groups.group_bits, (std::vector<std::uint8_t>{4, 4, 2, 2}));
  EXPECT_EQ(groups.all_columns, 6U);
}

TEST(SymbolGroups, RefuseWhatIsNoShape) {
  EXPECT_FALSE(SymbolGroups::of({.bits = {9}, .context = {0}}).has_value());
  EXPECT_FALSE(SymbolGroups::of({.bits = {4, 4}, .context = {0}}).has_value());
  EXPECT_TRUE(SymbolGroups::of({}).has_value());
}

}  // namespace
}  // namespace sluice::kernels
