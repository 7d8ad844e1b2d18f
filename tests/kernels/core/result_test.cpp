// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace sluice {
namespace {

Result<int> half_of(int value) {
  if (value % 2 != 0) return make_error(ErrorCode::kInvalidArgument, "odd");
  return value / 2;
}

Result<int> quarter_of(int value) {
  const int half = SLUICE_TRY(half_of(value));
  return SLUICE_TRY(half_of(half));
}

TEST(Result, TryPassesValuesAndErrors) {
  EXPECT_EQ(quarter_of(12).value(), 3);
  const Result<int> odd = quarter_of(6);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(odd.error().message, "odd");
}

TEST(Result, CarriesMoveOnlyValues) {
  Result<std::unique_ptr<int>> boxed = std::make_unique<int>(5);
  const std::unique_ptr<int> taken = *std::move(boxed);
  EXPECT_EQ(*taken, 5);
}

TEST(Status, IsFineUntilAnErrorIsPut) {
  EXPECT_TRUE(Status().has_value());
  const Status failed = make_error(ErrorCode::kTimeout, "late");
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "late");
}

TEST(ResultDeathTest, TheValueOfAnErrorStopsTheProgramWithItsMessage) {
  EXPECT_DEATH((void)half_of(3).value(), "odd");
}

TEST(ErrorCodes, EachHasItsOwnName) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    names.insert(error_code_name(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kInternal) + 1);
  EXPECT_EQ(names.count("unknown"), 0U);
}

}  // namespace
}  // namespace sluice
