// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/summary_json.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace sluice::runtime {
namespace {

StudySummaries study() {
  PipelineSummary summary;
  summary.pipeline = "int4";
  summary.task = "squad";
  summary.items = 7;
  summary.kl = {0.5, 0.25, 0.75};
  summary.score_relative.mean = std::numeric_limits<double>::quiet_NaN();
  return {"main", "The \"main\" one", {summary}};
}

TEST(SummaryJson, HasTheSubjectAndEveryStudy) {
  const StudySummaries studies[] = {study(), {"none", "Nothing", {}}};
  const auto json = nlohmann::json::parse(summary_json({"tiny", "01", "own", {"a note"}}, studies));
  EXPECT_EQ(json.at("model"), "tiny");
  EXPECT_EQ(json.at("fingerprint"), "01");
  EXPECT_EQ(json.at("data"), "own");
  EXPECT_EQ(json.at("notes"), nlohmann::json({"a note"}));
  ASSERT_EQ(json.at("studies").size(), 2U);
  EXPECT_EQ(json["studies"][0].at("title"), "The \"main\" one");
  EXPECT_EQ(json["studies"][1].at("name"), "none");
}

TEST(SummaryJson, ASummaryHasItsIntervalsAndNullForWhatIsNoNumber) {
  const StudySummaries studies[] = {study()};
  const auto json = nlohmann::json::parse(summary_json({}, studies));
  const auto& summary = json.at("studies").at(0).at("summaries").at(0);
  EXPECT_EQ(summary.at("pipeline"), "int4");
  EXPECT_EQ(summary.at("items"), 7);
  EXPECT_EQ(summary.at("kl").at("mean"), 0.5);
  EXPECT_EQ(summary.at("kl").at("low"), 0.25);
  EXPECT_EQ(summary.at("kl").at("high"), 0.75);
  EXPECT_TRUE(summary.at("score_relative").at("mean").is_null());
}

}  // namespace
}  // namespace sluice::runtime
