// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/fault_point.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace sluice::runtime {
namespace {

TEST(FaultPoint, IsWrittenAsPointActionAndPassage) {
  const auto fault = parse_fault("decode.before_taken:stop:3");
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->point, FaultPoint::kDecodeBeforeTaken);
  EXPECT_EQ(fault->action, FaultAction::kStop);
  EXPECT_EQ(fault->passage, 3);
  EXPECT_EQ(fault_point_name(fault->point), "decode.before_taken");
  EXPECT_EQ(parse_fault("prefill.before_want:kill:1")->action, FaultAction::kKill);
}

TEST(FaultPoint, WhatIsNoneIsRefusedInWords) {
  for (const char* text :
       {"", ":", "::", "decode.before_taken", "decode.before_taken:kill",
        "decode.before_taken:kill:", "decode.before_taken:kill:0", "decode.before_taken:kill:1x",
        "decode.before_taken:kill:99999999999999999999", "decode.before_taken:hang:1",
        "decode.nowhere:kill:1"}) {
    const auto fault = parse_fault(text);
    ASSERT_FALSE(fault.has_value()) << text;
    EXPECT_EQ(fault.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_NE(parse_fault("x:kill:1").error().message.find("prefill.before_manifest"),
            std::string::npos);
}

// What a child that passes points does, as its parent sees it.
int status_after(const Fault& fault, int flags) {
  const pid_t child = fork();
  if (child == 0) {
    arm_fault(fault);
    for (int passage = 0; passage < 3; ++passage) {
      pass_fault_point(FaultPoint::kPrefillBeforeWant);
      pass_fault_point(FaultPoint::kPrefillMidLayers);
    }
    _exit(7);
  }
  int status = 0;
  waitpid(child, &status, flags);
  if (WIFSTOPPED(status)) {
    kill(child, SIGCONT);
    int end = 0;
    waitpid(child, &end, 0);
    EXPECT_TRUE(WIFEXITED(end));  // it stops once
  }
  return status;
}

TEST(FaultPoint, HappensAtItsPassageAlone) {
  const int killed = status_after({FaultPoint::kPrefillMidLayers, FaultAction::kKill, 2}, 0);
  ASSERT_TRUE(WIFSIGNALED(killed));
  EXPECT_EQ(WTERMSIG(killed), SIGKILL);
  const int stopped =
      status_after({FaultPoint::kPrefillMidLayers, FaultAction::kStop, 3}, WUNTRACED);
  EXPECT_TRUE(WIFSTOPPED(stopped));
  const int passed = status_after({FaultPoint::kPrefillMidLayers, FaultAction::kKill, 4}, 0);
  EXPECT_TRUE(WIFEXITED(passed));
  const int elsewhere = status_after({FaultPoint::kDecodeMidLayers, FaultAction::kKill, 1}, 0);
  EXPECT_TRUE(WIFEXITED(elsewhere));
}

}  // namespace
}  // namespace sluice::runtime
