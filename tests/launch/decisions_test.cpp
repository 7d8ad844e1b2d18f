// SPDX-License-Identifier: Apache-2.0
#include "launch/decisions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

using ::testing::HasSubstr;

runtime::DecisionHistory history() {
  runtime::DecisionHistory history;
  runtime::DecisionRow row;
  row.time_s = 3600.25;
  row.request = 7;
  row.attempts = 1;
  row.policy = "link_aware";
  row.verdict = "place";
  row.reason = "least loss";
  row.slo_class = "default";
  row.prefill_node = 1;
  row.decode_node = 3;
  row.level = "int4";
  row.prompt_tokens = 1000;
  row.ttft_slo_s = 2.0;
  row.predicted_s = 0.9;
  row.measured_s = 1.0;
  row.alternative = "int8 1->3";
  row.alternative_s = 1.25;
  history.rows = {row};
  return history;
}

std::string printed(const runtime::DecisionHistory& history, std::int64_t last) {
  std::ostringstream out;
  print_decisions(out, history, last);
  return out.str();
}

TEST(PrintDecisions, ARequestIsALineAndALevelTheSummaryOfAll) {
  EXPECT_EQ(
      printed(history(), 10),
      "time (UTC)    request  class    tokens  waited  verdict  ranks  level  predicted  measured  "
      "  error  next best        reason\n"
      "01:00:00.250        7  default    1000          place    1->3   int4       0.900     1.000  "
      "-10.0 %  int8 1->3 1.250  least loss\n"
      "\n"
      "policy      verdict  level  requests  answered  in time  ttft median    p99  error median   "
      "  p90\n"
      "link_aware  place    int4          1         1  100.0 %        1.000  1.000        10.0 %  "
      "10.0 %\n"
      "all                                1         1  100.0 %        1.000  1.000        10.0 %  "
      "10.0 %\n"
      "times in seconds, from submission to first token; errors: predicted by measured\n");
}

TEST(PrintDecisions, WhatIsMissingIsSaid) {
  runtime::DecisionHistory none;
  none.lost_lines = 3;
  none.odd_lines = 1;
  EXPECT_EQ(printed(none, 10),
            "no decision in the log\n3 lines could not be written and are missing\n"
            "1 lines are unreadable\n");
  EXPECT_EQ(printed(history(), 0).find("next best"), std::string::npos);
}

TEST(DecisionsCommand, ReadsAFileOrSaysThatItCannot) {
  const tests::TemporaryFolder folder;
  const auto log = folder.path() / "log";
  write_file(log, "{\"event\":\"decision\",\"request\":5,\"verdict\":\"wait\"}\n");
  tests::ChildProcess good({SLUICE_PROGRAM, "decisions", log.string(), "--last", "1"});
  EXPECT_EQ(good.wait(kPatience), 0);
  EXPECT_THAT(good.out(), HasSubstr("wait"));
  tests::ChildProcess bad({SLUICE_PROGRAM, "decisions", (folder.path() / "none").string()});
  EXPECT_EQ(bad.wait(kPatience), 1);
  EXPECT_THAT(bad.error(), HasSubstr("cannot read the decision log"));
}

}  // namespace
}  // namespace sluice::launch
