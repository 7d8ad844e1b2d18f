// SPDX-License-Identifier: Apache-2.0
// `sluice eval default --smoke`: what a few pipelines cost real answers stays within bounds. They
// leave room for another CPU's rounding, and none for a broken stage.
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

// Of all tasks, each counting alike.
struct Bounds {
  const char* pipeline;
  double ratio_least;
  double kl_most;  // nats a token
  double top1_least;
  double own_top1_least;
};
constexpr Bounds kBounds[] = {
    {"raw", 0.98, 0.0, 1.0, 1.0},     {"int8", 1.7, 0.001, 0.98, 0.95},
    {"int4", 3.1, 0.10, 0.90, 0.80},  {"q2c+int4", 6.0, 0.80, 0.75, 0.65},
    {"best", 19.0, 0.12, 0.82, 0.70},
};

TEST(EvalSmoke, LossesStayWithinTheirBounds) {
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const tests::TemporaryFolder folder;
  tests::ChildProcess child(
      {SLUICE_PROGRAM, "eval", kModel, "--smoke", "--output", (folder.path() / "out").string()});
  ASSERT_EQ(child.wait(kPatience * 4), 0) << child.error();
  const auto report = nlohmann::json::parse(read_file(folder.path() / "out" / "report.json"));
  std::map<std::string, nlohmann::json> rows;
  for (const auto& row : report.at("studies").at(0).at("summaries")) {
    if (row.at("task") == "all") rows[row.at("pipeline")] = row;
  }
  const auto mean = [](const nlohmann::json& row, const char* name) {
    const auto& value = row.at(name).at("mean");
    return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
  };
  for (const Bounds& bounds : kBounds) {
    SCOPED_TRACE(bounds.pipeline);
    ASSERT_TRUE(rows.contains(bounds.pipeline));
    const nlohmann::json& row = rows[bounds.pipeline];
    EXPECT_GE(row.at("items"), 12);
    EXPECT_GE(mean(row, "ratio"), bounds.ratio_least);
    EXPECT_LE(mean(row, "kl"), bounds.kl_most);
    EXPECT_GE(mean(row, "top1"), bounds.top1_least);
    EXPECT_GE(mean(row, "own_top1"), bounds.own_top1_least);
  }
  // What is measured is the loss, not nothing.
  EXPECT_GT(mean(rows["int4"], "kl"), 10 * mean(rows["int8"], "kl"));
}

}  // namespace
}  // namespace sluice::launch
