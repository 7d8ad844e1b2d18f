// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/decision_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/runtime/router/report_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using nlohmann::json;
using scheduler::Verdict;

class DecisionLogTest : public ::testing::Test {
 protected:
  // What `write` leaves in the file, line by line.
  std::vector<json> lines_of(const std::function<void(DecisionLog&)>& write) {
    const auto path = folder_.path() / "log";
    {
      DecisionLogOptions options;
      options.clock = [] { return 1234.5; };
      auto log = DecisionLog::open(path, std::move(options));
      EXPECT_TRUE(log.has_value()) << log.error().message;
      write(**log);
    }
    std::ifstream file(path);
    std::vector<json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
    return lines;
  }
  json line_of(const std::function<void(DecisionLog&)>& write) {
    const auto lines = lines_of(write);
    EXPECT_EQ(lines.size(), 1U);
    return lines.empty() ? json::object() : lines.front();
  }

  tests::TemporaryFolder folder_;
  ReportFixture fixture_;
};

TEST_F(DecisionLogTest, ADecisionSaysWhatAndWhyAndFromWhat) {
  const json line = line_of([&](DecisionLog& log) { log.decided(fixture_.decided()); });
  EXPECT_EQ(line["event"], "decision");
  EXPECT_EQ(line["time_s"], 1234.5);
  EXPECT_EQ(line["request"], 7);
  EXPECT_EQ(line["attempt"], 1);
  EXPECT_EQ(line["verdict"], "place");
  EXPECT_EQ(line["reason"], "least loss within the objective");
  EXPECT_EQ(line["class"], "interactive");
  EXPECT_EQ(line["waited_s"], 0.25);
  EXPECT_EQ(line["queued"], 5);
  EXPECT_EQ(line["prompt_tokens"], 1000);
  EXPECT_EQ(line["level"], "int4");
  EXPECT_FALSE(line.contains("pinned"));
  EXPECT_EQ(line["prefill"], json::parse(R"({"node": 1, "requests": 2, "queued_tokens": 900,
                                             "cached_tokens": 64})"));
  EXPECT_EQ(line["decode"]["free_tokens"], 5000);
  EXPECT_EQ(line["predicted"]["ttft_s"], 0.8);
  EXPECT_EQ(line["predicted"]["wire_s"], 0.3);
  EXPECT_EQ(line["predicted"]["bytes"], 201'000);
  EXPECT_EQ(line["link"]["free_bytes_per_s"], 1'250'000);
  EXPECT_EQ(line["link"]["queued_bytes"], 77);
  EXPECT_EQ(line["link"]["age_s"], nullptr);  // of a capacity that was never measured
  EXPECT_EQ(line["link"]["round_trip_s"], 0.00025);
}

TEST_F(DecisionLogTest, TimesAreCorrected) {
  fixture_.correction = 1.5;
  const json line = line_of([&](DecisionLog& log) { log.decided(fixture_.decided()); });
  EXPECT_EQ(line["predicted"]["ttft_s"], 1.2);
  EXPECT_EQ(line["predicted"]["prefill_s"], 0.6);
  EXPECT_EQ(line["predicted"]["kl"], 0.03);
  EXPECT_EQ(line["correction"], 1.5);
  EXPECT_EQ(line["alternatives"][0]["ttft_s"], 1.35);
}

TEST_F(DecisionLogTest, AlternativesAreTheBestOfEachLevel) {
  const json line = line_of([&](DecisionLog& log) { log.decided(fixture_.decided()); });
  ASSERT_EQ(line["alternatives"].size(), 3U);
  EXPECT_EQ(line["alternatives"][0],
            json::parse(R"({"verdict": "place", "prefill": 2, "decode": 3, "level": "int4",
                            "ttft_s": 0.9, "kl": 0.03, "bytes": 201000})"));
  EXPECT_EQ(line["alternatives"][1]["level"], "int8");
  EXPECT_EQ(line["alternatives"][1]["prefill"], 1);
  EXPECT_EQ(line["alternatives"][2]["level"], "raw");
}

TEST_F(DecisionLogTest, APairThatHasSentNothingHasNoLink) {
  fixture_.snapshot.links.clear();
  fixture_.snapshot.uplinks = {{.uplink = 2, .nodes = {1, 2}, .is_outward = true, .figures = {}},
                               {.uplink = 2, .nodes = {1, 2}, .is_outward = false, .figures = {}}};
  const json line = line_of([&](DecisionLog& log) { log.decided(fixture_.decided()); });
  EXPECT_EQ(line["link"], nullptr);
  EXPECT_EQ(line["assumed_bytes_per_s"], 1'000'000'000);
  ASSERT_EQ(line["uplinks"].size(), 1U);
  EXPECT_EQ(line["uplinks"][0]["uplink"], 2);
  EXPECT_EQ(line["uplinks"][0]["direction"], "out");
}

TEST_F(DecisionLogTest, ARejectionSaysWhenToComeAgainAndNamesNoWorker) {
  fixture_.decision = {.verdict = Verdict::kReject, .retry_after_s = 3.5, .reason = "late"};
  fixture_.alternatives.clear();
  fixture_.shape.ttft_slo_s = std::numeric_limits<double>::infinity();
  const json line = line_of([&](DecisionLog& log) { log.decided(fixture_.decided()); });
  EXPECT_EQ(line["verdict"], "reject");
  EXPECT_EQ(line["retry_after_s"], 3.5);
  EXPECT_EQ(line["ttft_slo_s"], nullptr);
  for (const char* key : {"prefill", "decode", "level", "predicted", "link", "alternatives"}) {
    EXPECT_FALSE(line.contains(key)) << key;
  }
}

TEST_F(DecisionLogTest, LocalPrefillIsOfTheDecodeWorkerAlone) {
  fixture_.decision.verdict = Verdict::kLocal;
  const json line = line_of([&](DecisionLog& log) { log.decided(fixture_.decided()); });
  EXPECT_FALSE(line.contains("prefill"));
  EXPECT_FALSE(line.contains("link"));
  EXPECT_EQ(line["decode"]["node"], 3);
  EXPECT_EQ(line["level"], "int4");  // of what that worker has of the prompt already
  fixture_.pipeline.clear();
  const auto lines = lines_of([&](DecisionLog& log) { log.decided(fixture_.decided()); });
  EXPECT_FALSE(lines.back().contains("level"));
}

TEST_F(DecisionLogTest, AFirstTokenIsComparedByPart) {
  fixture_.timeline.levels = "int4 20 layers, int8 10";
  const json line = line_of([&](DecisionLog& log) { log.ended(fixture_.ended(1.4)); });
  EXPECT_EQ(line["event"], "first_token");
  EXPECT_EQ(line["ttft_s"], 1.4);
  EXPECT_EQ(line["predicted_s"], 1.05);
  EXPECT_EQ(line["before_s"], 0.25);
  EXPECT_EQ(line["error"], -0.25);
  EXPECT_EQ(line["predicted"]["prefill_s"], 0.4);
  EXPECT_EQ(line["measured"]["prefill_s"], 0.5);
  EXPECT_EQ(line["measured"]["wire_s"], 0.2);
  EXPECT_EQ(line["measured"]["bytes"], 200'000);
  EXPECT_EQ(line["pipeline"], "int4");
  EXPECT_EQ(line["levels"], "int4 20 layers, int8 10");
}

TEST_F(DecisionLogTest, AnEndWithoutATokenIsOneToo) {
  const json line = line_of([&](DecisionLog& log) { log.ended(fixture_.ended(0.0)); });
  EXPECT_EQ(line["event"], "unanswered");
  EXPECT_EQ(line["request"], 7);
  EXPECT_FALSE(line.contains("ttft_s"));
}

TEST_F(DecisionLogTest, AStartNamesPolicyAndLevels) {
  const auto lines = lines_of([&](DecisionLog& log) {
    log.started("link_aware", &fixture_.levels);
    log.started("round_robin", nullptr);
  });
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["event"], "start");
  EXPECT_EQ(lines[0]["policy"], "link_aware");
  ASSERT_EQ(lines[0]["levels"].size(), 3U);
  EXPECT_EQ(lines[0]["levels"][2]["level"], "int4");
  EXPECT_EQ(lines[1]["levels"], json::array());
}

TEST(BestAlternatives, OthersThanTheChosenSoonestFirst) {
  const auto way = &ReportFixture::way;
  scheduler::Decision decision;
  decision.prefill_node = 1;
  decision.decode_node = 3;
  decision.level = 0;
  scheduler::Alternative local = way(0, 4, 0, 2.5);
  local.verdict = Verdict::kLocal;
  scheduler::Alternative unknown = way(1, 4, 2, 0.0);
  const std::vector<scheduler::Alternative> all = {
      way(1, 3, 0, 1.0),
      way(2, 3, 0, 3.0),
      way(1, 4, 0, 2.0),
      way(1, 3, 1, 4.0),
      local,
      unknown,
      way(1, 3, 3, std::numeric_limits<double>::infinity())};
  const auto best = best_alternatives(all, decision, 8);
  ASSERT_EQ(best.size(), 3U);
  EXPECT_EQ(best[0].decode_node, 4U);
  EXPECT_EQ(best[0].prediction.ttft_s, 2.0);
  EXPECT_EQ(best[1].verdict, Verdict::kLocal);
  EXPECT_EQ(best[2].level, 1);
  EXPECT_EQ(best_alternatives(all, decision, 2).size(), 2U);
  EXPECT_TRUE(best_alternatives({}, decision, 8).empty());
}

}  // namespace
}  // namespace sluice::runtime
