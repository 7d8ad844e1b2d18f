// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/yaml_scalar.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

YamlNode scalar(std::string text) { return {YamlKind::kScalar, 1, std::move(text), {}, {}}; }

template <class Value>
std::string error_of(const Result<Value>& value) {
  return value ? "no error" : value.error().message;
}

TEST(YamlScalar, OnlyASingleValueThatIsNotEmptyIsText) {
  EXPECT_EQ(*scalar_text(scalar("a b")), "a b");
  EXPECT_EQ(error_of(scalar_text(scalar(""))), "must not be empty");
  EXPECT_EQ(error_of(scalar_text({})), "has no value");
  EXPECT_EQ(error_of(scalar_text({YamlKind::kList, 1, {}, {}, {}})),
            "must be a single value, not a list");
}

TEST(YamlScalar, IntegersHaveARange) {
  EXPECT_EQ(*scalar_integer(scalar("7"), 1, 7), 7);
  EXPECT_EQ(*scalar_integer(scalar("1"), 1, 7), 1);
  EXPECT_EQ(error_of(scalar_integer(scalar("8"), 1, 7)), "must be from 1 to 7, not 8");
  EXPECT_EQ(error_of(scalar_integer(scalar("1.0"), 1, 7)), "must be a whole number, not \"1.0\"");
}

TEST(YamlScalar, NumbersHaveARangeAndAreNoNan) {
  EXPECT_EQ(*scalar_number(scalar("0.25"), 0, 1), 0.25);
  EXPECT_EQ(*scalar_number(scalar("1e-3"), 0, 1), 1e-3);
  EXPECT_EQ(error_of(scalar_number(scalar("1.5"), 0, 1)), "must be from 0 to 1, not \"1.5\"");
  EXPECT_EQ(error_of(scalar_number(scalar("nan"), 0, 1)), "must be from 0 to 1, not \"nan\"");
  EXPECT_EQ(error_of(scalar_number(scalar("half"), 0, 1)), "must be a number, not \"half\"");
  EXPECT_EQ(error_of(scalar_number(scalar("0.5x"), 0, 1)), "must be a number, not \"0.5x\"");
}

TEST(YamlScalar, FlagsAreTwoWords) {
  EXPECT_TRUE(*scalar_flag(scalar("true")));
  EXPECT_FALSE(*scalar_flag(scalar("false")));
  EXPECT_EQ(error_of(scalar_flag(scalar("yes"))), "must be true or false, not \"yes\"");
}

}  // namespace
}  // namespace sluice::runtime
