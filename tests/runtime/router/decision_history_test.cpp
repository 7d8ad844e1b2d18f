// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/decision_history.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "runtime/router/decision_log.hpp"
#include "tests/runtime/router/report_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

DecisionHistory read(const std::string& text) {
  std::istringstream log(text);
  return read_decisions(log);
}

// What DecisionLog writes, this reads.
TEST(DecisionHistory, ReadsTheLog) {
  const tests::TemporaryFolder folder;
  ReportFixture fixture;
  {
    auto log = DecisionLog::open(folder.path() / "log");
    ASSERT_TRUE(log.has_value());
    (*log)->started("link_aware", &fixture.levels);
    (*log)->decided(fixture.decided());
    (*log)->ended(fixture.ended(1.4));
    fixture.decision = {
        .verdict = scheduler::Verdict::kReject, .retry_after_s = 3.0, .reason = "late"};
    (*log)->decided(fixture.decided(8));
  }
  const auto history = read_decisions(folder.path() / "log");
  ASSERT_TRUE(history.has_value()) << history.error().message;
  EXPECT_EQ(history->odd_lines, 0);
  ASSERT_EQ(history->rows.size(), 2U);
  const DecisionRow& first = history->rows[0];
  EXPECT_EQ(first.policy, "link_aware");
  EXPECT_EQ(first.request, 7U);
  EXPECT_EQ(first.verdict, "place");
  EXPECT_EQ(first.prefill_node, 1);
  EXPECT_EQ(first.decode_node, 3);
  EXPECT_EQ(first.level, "int4");
  EXPECT_EQ(first.prompt_tokens, 1000);
  EXPECT_EQ(first.ttft_slo_s, 2.0);
  EXPECT_NEAR(first.predicted_s, 1.05, 1e-9);
  EXPECT_EQ(first.measured_s, 1.4);
  EXPECT_NEAR(first.error(), -0.25, 1e-9);
  EXPECT_EQ(first.alternative, "int4 2->3");
  EXPECT_NEAR(first.alternative_s, 1.15, 1e-9);
  const DecisionRow& second = history->rows[1];
  EXPECT_EQ(second.verdict, "reject");
  EXPECT_EQ(second.retry_after_s, 3.0);
  EXPECT_EQ(second.decode_node, -1);
  EXPECT_FALSE(second.has_error());
}

TEST(DecisionHistory, AProcessThatStartsAnewCountsAnew) {
  const std::string run = R"({"event":"start","policy":"a"})"
                          "\n"
                          R"({"event":"decision","request":1,"verdict":"place"})"
                          "\n"
                          R"({"event":"decision","request":1,"attempt":2,"verdict":"local"})"
                          "\n";
  const DecisionHistory history = read(run + run);
  ASSERT_EQ(history.rows.size(), 2U);
  EXPECT_EQ(history.rows[0].verdict, "local");  // the last one
  EXPECT_EQ(history.rows[0].attempts, 2);
}

TEST(DecisionHistory, OddLinesAreCountedAndNothingElse) {
  const DecisionHistory history = read(
      "{\"event\":\"decis\n"
      "[1]\n"
      "{}\n"
      "{\"event\":\"other\"}\n" +
      std::string(1000, '[') +
      "\n"
      "{\"event\":\"lost\",\"lines\":12}\n"
      "\n"
      "{\"event\":\"decision\",\"request\":\"x\",\"prefill\":3,\"alternatives\":[1],"
      "\"waited_s\":\"long\"}\n");
  EXPECT_EQ(history.odd_lines, 5);
  EXPECT_EQ(history.lost_lines, 12);
  ASSERT_EQ(history.rows.size(), 1U);
  EXPECT_EQ(history.rows[0].prefill_node, -1);
  EXPECT_EQ(history.rows[0].alternative, "");
}

TEST(DecisionHistory, AFileThatIsNotThereIsAnError) {
  const tests::TemporaryFolder folder;
  EXPECT_FALSE(read_decisions(folder.path() / "none").has_value());
  EXPECT_FALSE(read_decisions(folder.path()).has_value());
}

DecisionRow row(const char* policy, const char* level, double measured_s, double predicted_s) {
  DecisionRow row;
  row.policy = policy;
  row.verdict = "place";
  row.level = level;
  row.ttft_slo_s = 1.0;
  row.measured_s = measured_s;
  row.predicted_s = predicted_s;
  return row;
}

TEST(DecisionGroups, ByPolicyAndLevel) {
  const std::vector<DecisionRow> rows = {row("b", "raw", 2.0, 1.0), row("a", "int4", 0.5, 0.6),
                                         row("a", "raw", 4.0, 0.0), row("a", "int4", 1.0, 1.3),
                                         row("a", "int4", 0.0, 1.0)};
  const auto groups = group_decisions(rows);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].policy, "b");
  EXPECT_EQ(groups[1].policy, "a");
  EXPECT_EQ(groups[1].level, "int4");
  EXPECT_EQ(groups[1].requests, 3);
  EXPECT_EQ(groups[1].answered, 2);
  EXPECT_EQ(groups[1].in_time, 2);
  EXPECT_EQ(groups[1].predicted, 2);
  EXPECT_EQ(groups[1].ttft_median_s, 0.5);
  EXPECT_EQ(groups[1].ttft_p99_s, 1.0);
  EXPECT_NEAR(groups[1].error_median, 0.2, 1e-9);
  EXPECT_NEAR(groups[1].error_p90, 0.3, 1e-9);
  EXPECT_EQ(groups[2].predicted, 0);
  const DecisionGroup all = sum_up_decisions(rows);
  EXPECT_EQ(all.requests, 5);
  EXPECT_EQ(all.answered, 4);
  EXPECT_EQ(all.predicted, 3);
  EXPECT_NEAR(all.error_p90, 0.5, 1e-9);
  EXPECT_EQ(sum_up_decisions({}).requests, 0);
}

}  // namespace
}  // namespace sluice::runtime
