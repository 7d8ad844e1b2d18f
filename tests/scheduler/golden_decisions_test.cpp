// SPDX-License-Identifier: Apache-2.0
// Decisions are those of the committed logs. A change that is meant: decisions_writer
// tests/scheduler/golden writes them anew, and the difference is read before it is committed.
#include "tests/scheduler/golden_decisions.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {
namespace {

const std::string kFolder = std::string(SLUICE_SOURCE_DIR) + "/tests/scheduler/golden/";

class GoldenDecisions : public ::testing::TestWithParam<PolicyRow> {};

TEST_P(GoldenDecisions, AreThoseOfTheLog) {
  std::ifstream file(kFolder + std::string(GetParam().name) + ".txt");
  ASSERT_TRUE(file.good()) << "decisions_writer writes a new policy's log";
  std::istringstream decisions(tests::golden_decisions(GetParam().name));
  std::string expected;
  std::string line;
  while (std::getline(decisions, line)) {
    ASSERT_TRUE(std::getline(file, expected));
    EXPECT_EQ(line, expected);
  }
  EXPECT_FALSE(std::getline(file, expected)) << expected;
}

INSTANTIATE_TEST_SUITE_P(All, GoldenDecisions,
                         ::testing::ValuesIn(policy_table().begin(), policy_table().end()),
                         [](const auto& row) { return std::string(row.param.name); });

// A scenario in which two policies do the same tells nothing of either.
TEST(GoldenScenario, TellsThePoliciesApart) {
  std::set<std::string> placements;
  for (const PolicyRow& row : policy_table()) {
    std::istringstream decisions(tests::golden_decisions(row.name));
    std::string all;
    std::string line;
    while (std::getline(decisions, line)) all += line.substr(0, line.rfind(',')) + "\n";
    placements.insert(all);
  }
  EXPECT_EQ(placements.size(), policy_table().size());
}

}  // namespace
}  // namespace sluice::scheduler
