// SPDX-License-Identifier: Apache-2.0
#include "launch/finding.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

namespace sluice::launch {
namespace {

const std::vector<Finding> kFindings = {
    {"Processor", "AVX2", Mark::kOk, "yes", "", ""},
    {"Processor", "AMX-BF16", Mark::kMissing, "no", "speed", "another machine"},
    {"Network", "UCX", Mark::kNote, "old", "nothing", ""},
};

TEST(Findings, AreGroupedAndAligned) {
  std::ostringstream out;
  print_findings(out, kFindings);
  EXPECT_EQ(out.str(),
            "Processor\n"
            "  OK       AVX2      yes\n"
            "  MISSING  AMX-BF16  no\n"
            "                     lost: speed\n"
            "                     get:  another machine\n"
            "\n"
            "Network\n"
            "  NOTE     UCX       old\n"
            "                     lost: nothing\n"
            "\n"
            "1 OK, 1 NOTE, 1 MISSING, 0 BROKEN: this machine can serve.\n");
}

TEST(Findings, OnlyBrokenEndsWithOne) {
  EXPECT_EQ(exit_status(kFindings), 0);
  EXPECT_EQ(exit_status({}), 0);
  std::vector<Finding> findings = kFindings;
  findings.push_back({"Network", "UCX", Mark::kBroken, "two", "all", ""});
  EXPECT_EQ(exit_status(findings), 1);
  std::ostringstream out;
  print_findings(out, findings);
  EXPECT_NE(out.str().find("1 BROKEN: this machine cannot serve."), std::string::npos);
}

}  // namespace
}  // namespace sluice::launch
