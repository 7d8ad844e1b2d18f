// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/want_check.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::runtime {
namespace {

constexpr CacheRange kWhole{0, 4, 2, 2};  // heads 2 and 3 of the model

WantMessage want_of(const CacheRange& range, std::int32_t writers) {
  return {7, 40, 4, 256, 64, range, writers};
}

TEST(WantCheck, AFrameMustFitTheArenasWholeUnits) {
  WantMessage want = want_of(kWhole, 1);
  want.frame_bytes = 1100;
  want.frame_bytes_largest = 1024;
  EXPECT_TRUE(check_want(want, kWhole, 1100));
  want.frame_bytes_largest = 1025;
  const Status refused = check_want(want, kWhole, 1100);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("1025 bytes, more than decode.arena_memory (1100)"),
            std::string::npos)
      << refused.error().message;
}

TEST(WantCheck, ARangeIsTheModelsNotTheRanks) {
  EXPECT_TRUE(check_want(want_of({0, 4, 2, 1}, 2), kWhole, 4096));
  EXPECT_FALSE(check_want(want_of({0, 4, 0, 2}, 1), kWhole, 4096));
  EXPECT_FALSE(check_want(want_of({0, 4, 3, 2}, 1), kWhole, 4096));
}

TEST(WantCheck, TheLastOfTheWritersCompletesTheWhole) {
  const WantMessage first = want_of({0, 2, 2, 2}, 3);
  const WantMessage second = want_of({2, 2, 2, 1}, 3);
  EXPECT_TRUE(check_together(first, {}, kWhole));
  EXPECT_TRUE(check_together(second, {&first}, kWhole));
  EXPECT_TRUE(check_together(want_of({2, 2, 3, 1}, 3), {&first, &second}, kWhole));
  EXPECT_FALSE(check_together(want_of({2, 1, 3, 1}, 3), {&first, &second}, kWhole));
  EXPECT_FALSE(check_together(want_of({1, 2, 3, 1}, 3), {&first, &second}, kWhole));
  EXPECT_FALSE(check_together(want_of({2, 2, 3, 1}, 2), {&first, &second}, kWhole));
  EXPECT_FALSE(check_together(want_of({0, 2, 2, 2}, 1), {}, kWhole));  // alone
}

}  // namespace
}  // namespace sluice::runtime
