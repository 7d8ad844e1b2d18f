// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/finish_after.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::runtime {
namespace {

TEST(FinishAfter, Reasons) {
  const std::vector<TokenId> end{7};
  EXPECT_EQ(finish_after(1, 1, 3, false, end), FinishReason::kNone);
  EXPECT_EQ(finish_after(1, 3, 3, false, end), FinishReason::kLength);
  EXPECT_EQ(finish_after(7, 1, 3, false, end), FinishReason::kStop);
  EXPECT_EQ(finish_after(7, 1, 3, true, end), FinishReason::kNone);
  EXPECT_EQ(finish_after(7, 3, 3, true, end), FinishReason::kLength);
}

}  // namespace
}  // namespace sluice::runtime
