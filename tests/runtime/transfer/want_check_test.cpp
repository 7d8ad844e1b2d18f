// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/want_check.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::runtime {
namespace {

constexpr CacheRange kWhole{0, 4, 2, 2};  // heads 2 and 3 of the model

WantMessage want_of(const CacheRange& range, std::int32_t writers) {
  return {7, 40, 4, 256, 64, range, writers, 0, {}};
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

TEST(WantCheck, BlocksAreOfThePromptAndEndBeforeItsLastToken) {
  const auto accepts = [](std::int64_t cached_tokens, std::size_t blocks) {
    WantMessage want = want_of(kWhole, 1);
    want.prompt_tokens = 100;
    want.cached_tokens = cached_tokens;
    want.blocks.assign(blocks, 5);
    return check_want(want, kWhole, 4096).has_value();
  };
  EXPECT_TRUE(accepts(0, 0));
  EXPECT_TRUE(accepts(0, 1));
  EXPECT_TRUE(accepts(64, 1));
  EXPECT_TRUE(accepts(96, 3));
  EXPECT_FALSE(accepts(-32, 1));
  EXPECT_FALSE(accepts(64, 0));
  EXPECT_FALSE(accepts(40, 1));
  EXPECT_FALSE(accepts(128, 3));
  EXPECT_FALSE(accepts(32, 4));
  EXPECT_FALSE(accepts(std::int64_t{1} << 62, 1));
}

TEST(WantCheck, NobodysWholePromptIsCached) {
  WantMessage want = want_of(kWhole, 1);
  want.prompt_tokens = 64;
  want.cached_tokens = 64;
  want.blocks = {5};
  EXPECT_FALSE(check_want(want, kWhole, 4096));
}

TEST(WantCheck, WritersAgreeOnWhatIsCached) {
  WantMessage first = want_of({0, 2, 2, 2}, 2);
  WantMessage second = want_of({2, 2, 2, 2}, 2);
  first.cached_tokens = second.cached_tokens = 32;
  first.blocks = second.blocks = {5};
  EXPECT_TRUE(check_together(second, {&first}, kWhole));
  second.blocks = {6};
  EXPECT_FALSE(check_together(second, {&first}, kWhole));
  second.blocks = {5};
  second.cached_tokens = 0;
  EXPECT_FALSE(check_together(second, {&first}, kWhole));
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
