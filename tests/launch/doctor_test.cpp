// SPDX-License-Identifier: Apache-2.0
#include "launch/doctor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace sluice::launch {
namespace {

// On any machine: every group is there, and the last line and the exit status agree.
TEST(Doctor, ReportsOnThisMachine) {
  std::ostringstream out;
  const int status = run_doctor(out);
  const std::string text = out.str();
  for (const char* group :
       {"Processor\n", "\nMemory\n", "\nAccelerator\n", "\nNetwork\n", "\nLaunch\n", "\nModel\n"}) {
    EXPECT_THAT(text, ::testing::HasSubstr(group));
  }
  EXPECT_THAT(text, ::testing::HasSubstr(status == 0 ? "this machine can serve."
                                                     : "this machine cannot serve."));
}

}  // namespace
}  // namespace sluice::launch
