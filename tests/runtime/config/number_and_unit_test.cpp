// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/number_and_unit.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(NumberAndUnit, TheUnitIsAllBehindTheNumberAndItsBlanks) {
  const auto split = split_number("2.5  Gbit/s");
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(split->number, 2.5);
  EXPECT_EQ(split->unit, "Gbit/s");
  EXPECT_EQ(split_number("4096")->unit, "");
  EXPECT_EQ(split_number("1e3")->unit, "e3");  // no exponents
  EXPECT_EQ(split_number("-1s")->number, -1.0);
}

TEST(NumberAndUnit, WhatBeginsOtherwiseIsNone) {
  for (const char* text : {"", "MiB", " 5s", "+5s", "."}) {
    EXPECT_FALSE(split_number(text).has_value()) << text;
  }
}

TEST(NumberAndUnit, LowerCaseIsOfLettersOnly) { EXPECT_EQ(in_lower_case("MiB/S_9"), "mib/s_9"); }

}  // namespace
}  // namespace sluice::runtime
