// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <thread>

#include "tests/runtime/router/report_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Every line is a comment or NAME{LABELS} NUMBER, and rows of a metric stand together under its
// type.
void expect_exposition(const std::string& text) {
  std::istringstream lines(text);
  std::string name;
  std::set<std::string> seen;
  ASSERT_TRUE(text.ends_with('\n'));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash;
    std::string kind;
    if (line.starts_with("# ")) {
      words >> hash >> kind >> name;
      const bool is_new = kind != "TYPE" || seen.insert(name).second;
      EXPECT_TRUE(is_new) << line;
      continue;
    }
    EXPECT_TRUE(line.starts_with(name)) << line;
    const std::size_t blank = line.rfind(' ');
    ASSERT_NE(blank, std::string::npos) << line;
    std::size_t read = 0;
    (void)std::stod(line.substr(blank + 1), &read);
    EXPECT_EQ(read, line.size() - blank - 1) << line;
  }
}

TEST(Metrics, OfNothingAreWellFormed) {
  const Metrics metrics;
  expect_exposition(metrics.text());
  EXPECT_THAT(metrics.text(), HasSubstr("sluice_queue_requests 0\n"));
  EXPECT_EQ(metrics.correction(), 1.0);
}

TEST(Metrics, DecisionsAndWhatTheySaw) {
  const ReportFixture fixture;
  Metrics metrics;
  metrics.decided(fixture.decided());
  metrics.decided(fixture.decided());
  const std::string text = metrics.text();
  expect_exposition(text);
  for (const char* row :
       {"sluice_decisions_total{verdict=\"place\",level=\"int4\"} 2\n", "sluice_queue_requests 5\n",
        "sluice_link_free_bytes_per_second{prefill=\"1\",decode=\"3\"} 1250000\n",
        "sluice_worker_requests{rank=\"1\",role=\"prefill\"} 2\n",
        "sluice_worker_queued_tokens{rank=\"1\",role=\"prefill\"} 900\n",
        "sluice_worker_kv_free_tokens{rank=\"3\",role=\"decode\"} 5000\n",
        "sluice_worker_usable{rank=\"3\",role=\"decode\"} 1\n",
        "sluice_worker_usable{rank=\"4\",role=\"decode\"} 0\n"}) {
    EXPECT_THAT(text, HasSubstr(row));
  }
  // Not told by the worker is not 0.
  EXPECT_THAT(text, Not(HasSubstr("sluice_worker_kv_free_tokens{rank=\"1\"")));
}

TEST(Metrics, RefusalsAreCountedAndKeepWhatWasKnown) {
  ReportFixture fixture;
  Metrics metrics;
  metrics.decided(fixture.decided());
  fixture.decision = {.verdict = scheduler::Verdict::kReject, .reason = "the \"queue\" is\nfull"};
  fixture.snapshot = {};
  metrics.decided(fixture.decided());
  const std::string text = metrics.text();
  expect_exposition(text);
  EXPECT_THAT(text, HasSubstr("sluice_decisions_total{verdict=\"reject\",level=\"\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_refusals_total{slo_class=\"interactive\","
                              "reason=\"the \\\"queue\\\" is\\nfull\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_worker_requests{rank=\"1\""));
}

TEST(Metrics, TimesToFirstTokenAreAHistogramByClass) {
  const ReportFixture fixture;
  Metrics metrics;
  for (const double measured_s : {0.5, 0.51, 3.0, 100.0}) metrics.ended(fixture.ended(measured_s));
  metrics.ended(fixture.ended(0.0));
  const std::string text = metrics.text();
  expect_exposition(text);
  const std::string name = "sluice_ttft_seconds_bucket{slo_class=\"interactive\",le=";
  EXPECT_THAT(text, HasSubstr(name + "\"0.25\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"0.5\"} 1\n"));  // its upper end is within
  EXPECT_THAT(text, HasSubstr(name + "\"0.75\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"80\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("sluice_ttft_seconds_sum{slo_class=\"interactive\"} 104.01\n"));
  EXPECT_THAT(text, HasSubstr("sluice_ttft_seconds_count{slo_class=\"interactive\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("sluice_ttft_in_time_total{slo_class=\"interactive\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_unanswered_total 1\n"));
}

TEST(Metrics, PredictionsAreComparedWithWhatHappened) {
  ReportFixture fixture;
  Metrics metrics;
  metrics.ended(fixture.ended(2.1));  // 1.05 was predicted
  EXPECT_GT(metrics.correction(), 1.0);
  fixture.decision.verdict = scheduler::Verdict::kLocal;
  metrics.ended(fixture.ended(1.05));
  const std::string text = metrics.text();
  expect_exposition(text);
  const std::string name = "sluice_prediction_error_ratio{level=";
  EXPECT_THAT(text, HasSubstr(name + "\"int4\",quantile=\"0.5\"} 0.5\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"local\",quantile=\"0.9\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(name + "\"all\",quantile=\"0.9\"} 0.5\n"));
}

TEST(Metrics, AnswersAreCountedByHowTheyEnded) {
  Metrics metrics;
  for (const int status : {200, 200, 400, 404, 429, 499, 500, 503, 504}) metrics.answered(status);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("sluice_requests_total{outcome=\"ok\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_requests_total{outcome=\"invalid\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_requests_total{outcome=\"refused\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_requests_total{outcome=\"cancelled\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_requests_total{outcome=\"failed\"} 3\n"));
}

TEST(Metrics, AreReadWhileTheyAreWritten) {
  const ReportFixture fixture;
  Metrics metrics;
  std::thread writer([&] {
    for (int i = 0; i < 1000; ++i) {
      metrics.decided(fixture.decided());
      metrics.ended(fixture.ended(1.0));
    }
  });
  for (int i = 0; i < 20; ++i) expect_exposition(metrics.text());
  writer.join();
  EXPECT_THAT(metrics.text(), HasSubstr("verdict=\"place\",level=\"int4\"} 1000\n"));
}

}  // namespace
}  // namespace sluice::runtime
