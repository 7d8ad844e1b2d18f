// SPDX-License-Identifier: Apache-2.0
#include "scheduler/decision.hpp"

#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

TEST(VerdictName, IsTheWordOfTheLog) {
  EXPECT_EQ(verdict_name(Verdict::kPlace), "place");
  EXPECT_EQ(verdict_name(Verdict::kLocal), "local");
  EXPECT_EQ(verdict_name(Verdict::kWait), "wait");
  EXPECT_EQ(verdict_name(Verdict::kReject), "reject");
}

}  // namespace
}  // namespace sluice::scheduler
