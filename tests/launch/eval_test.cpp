// SPDX-License-Identifier: Apache-2.0
// `sluice eval` as a user has it: reports, going on, and a sentence for what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_model_file.hpp"

namespace sluice::launch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Eval : public ::testing::Test {
 protected:
  struct Ended {
    int code = 0;
    std::string out;
    std::string error;
  };
  Ended eval(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {SLUICE_PROGRAM, "eval", model_});
    arguments.insert(arguments.end(), {"--output", output().string()});
    tests::ChildProcess child(arguments);
    const int code = child.wait(kPatience);
    return {code, child.out(), child.error()};
  }
  void expect_error(std::vector<std::string> arguments, const std::vector<std::string>& words) {
    const Ended ended = eval(std::move(arguments));
    EXPECT_EQ(ended.code, 1);
    for (const std::string& word : words) EXPECT_THAT(ended.error, HasSubstr(word));
    EXPECT_FALSE(std::filesystem::exists(output() / "report.md"));
  }
  // Of what a tiny model can hold.
  std::string study(const std::string& pipelines) const {
    return folder_
        .write("short.yaml",
               "title: Short needles\nquestion: Which?\n"
               "tasks:\n  - needle: { count: 5, lengths: [400], keys: [1] }\n"
               "pipelines: [" +
                   pipelines + "]\ncharts: [pareto]\n")
        .string();
  }
  std::filesystem::path output() const { return folder_.path() / "out"; }

  tests::TemporaryFolder folder_;
  std::string model_ = folder_.write("tiny.gguf", tests::TinyModelFile().build()).string();
};

TEST_F(Eval, WritesReportsAndDoesNotMeasureAgain) {
  const std::vector<std::string> arguments{"--study", study("raw, int4"), "--count", "3"};
  const Ended first = eval(arguments);
  ASSERT_EQ(first.code, 0) << first.error;
  EXPECT_THAT(first.error, HasSubstr("the small slices that come with Sluice"));
  EXPECT_THAT(first.out, HasSubstr("int4"));
  EXPECT_THAT(first.out, HasSubstr("report.html"));
  for (const char* name : {"report.md", "report.html"}) {
    EXPECT_THAT(read_file(output() / name), HasSubstr("needle")) << name;
  }
  const auto report = nlohmann::json::parse(read_file(output() / "report.json"));
  std::vector<std::string> rows;
  for (const auto& row : report.at("studies").at(0).at("summaries")) {
    rows.push_back(row.at("pipeline").get<std::string>() + " " + row.at("task").get<std::string>());
    if (row.at("pipeline") == "raw") {
      EXPECT_EQ(row.at("kl").at("mean"), 0.0);
    }
  }
  EXPECT_THAT(rows, ::testing::IsSupersetOf({"raw needle", "int4 needle", "raw all", "int4 all"}));
  const std::string outcomes = read_file(output() / "outcomes.jsonl");
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), '\n'), 3 * 3);

  const Ended second = eval(arguments);
  ASSERT_EQ(second.code, 0) << second.error;
  EXPECT_THAT(second.error, HasSubstr("9 of 9 measurements are there already"));
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(read_file(output() / "outcomes.jsonl"), outcomes);

  std::vector<std::string> fresh = arguments;
  fresh.emplace_back("--fresh");
  EXPECT_THAT(eval(fresh).error, Not(HasSubstr("already")));
}

TEST_F(Eval, AStudyBringsItsTasksAndPipelines) {
  const Ended ended = eval({"--study", study("int8, int2")});
  ASSERT_EQ(ended.code, 0) << ended.error;
  EXPECT_THAT(ended.out, HasSubstr("Short needles"));
  const std::string outcomes = read_file(output() / "outcomes.jsonl");
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), '\n'), 5 * 3);
}

TEST_F(Eval, WhatIsNotThereIsNamedWithWhatThereIs) {
  expect_error({"--tasks", "squid"}, {"squid", "squad", "needle"});
  expect_error({"--pipelines", "int5"}, {"int5", "int2"});
  expect_error({"--study", "9-none"}, {"9-none", "0-main", "1-selection"});
  expect_error({"--study", "none.yaml"}, {"none.yaml"});
  expect_error({"--data", folder_.path().string(), "--tasks", "squad", "--pipelines", "raw"},
               {"squad"});
}

TEST_F(Eval, APipelineThatMustLearnSaysHow) {
  expect_error({"--study", study("kvtc")}, {"kvtc", "calibrate"});
}

TEST_F(Eval, ItemsThatTheModelCannotHoldAreLeftOut) {
  const Ended some = eval({"--tasks", "needle,hotpotqa", "--count", "3", "--pipelines", "raw"});
  ASSERT_EQ(some.code, 0) << some.error;
  EXPECT_THAT(some.error, HasSubstr("items are longer than the model's context of 1024 tokens"));
  std::filesystem::remove_all(output());
  expect_error({"--tasks", "hotpotqa", "--count", "3", "--pipelines", "raw"},
               {"no item that fits"});
}

TEST_F(Eval, AStudyTakesThePlaceOfTasksAndPipelines) {
  EXPECT_NE(eval({"--study", "0-main", "--tasks", "squad"}).code, 0);
  EXPECT_NE(eval({"--study", "0-main", "--smoke"}).code, 0);
}

}  // namespace
}  // namespace sluice::launch
