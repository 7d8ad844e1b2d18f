// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/json_nesting.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::runtime {
namespace {

TEST(JsonNesting, CountsWhatIsOpenAtOnce) {
  EXPECT_FALSE(json_is_deeper("", 0));
  EXPECT_FALSE(json_is_deeper("7", 0));
  EXPECT_TRUE(json_is_deeper("[]", 0));
  EXPECT_FALSE(json_is_deeper(R"([{"a": []}, [[]], []])", 3));
  EXPECT_TRUE(json_is_deeper(R"([{"a": []}, [[]], []])", 2));
}

TEST(JsonNesting, BracketsInStringsDoNotCount) {
  EXPECT_FALSE(json_is_deeper(R"(["[[[{{{", "a\"[[", "\\"])", 1));
  EXPECT_TRUE(json_is_deeper(R"(["\\", [], "]"])", 1));
}

TEST(JsonNesting, TextThatIsNotJsonIsHarmless) {
  EXPECT_FALSE(json_is_deeper("]]]}}}[", 1));
  EXPECT_FALSE(json_is_deeper("\"\\", 0));
  EXPECT_TRUE(json_is_deeper(std::string(100'000, '[')));
}

}  // namespace
}  // namespace sluice::runtime
