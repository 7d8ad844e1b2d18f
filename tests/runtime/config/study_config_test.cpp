// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/study_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "runtime/config/pipeline_config.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const std::filesystem::path kPresets = SLUICE_SOURCE_DIR "/configs/pipelines";
const std::filesystem::path kStudies = SLUICE_SOURCE_DIR "/configs/studies";

TEST(StudyConfig, AStudyIsReadWhole) {
  const auto study = parse_study(
      "title: T\nquestion: |\n  Which?\n"
      "pipelines:\n"
      "  - int4\n"
      "  - { preset: int8, label: eight, published: { all: 99.5, needle: 100 } }\n"
      "  - name: mine\n    group: g\n    stages: [ rtn: { bits: 3 }, rans ]\n"
      "tasks:\n"
      "  - squad: { count: 30 }\n"
      "  - needle: { count: 8, lengths: [512, 1024], depths: [0, 0.5], keys: [1, 4] }\n"
      "charts: [heat_map, pareto]\ndelta_statistics: true\nanalysis: So.\n",
      "folder/2-mine.yaml", kPresets);
  ASSERT_TRUE(study.has_value()) << study.error().message;
  EXPECT_EQ(study->name, "2-mine");
  EXPECT_EQ(study->title, "T");
  EXPECT_EQ(study->question, "Which?\n");
  EXPECT_EQ(study->analysis, "So.");
  ASSERT_EQ(study->tasks.size(), 2U);
  EXPECT_EQ(study->tasks[0].name, "squad");
  EXPECT_EQ(study->tasks[0].count, 30);
  EXPECT_TRUE(study->tasks[0].lengths.empty());
  EXPECT_THAT(study->tasks[1].lengths, ElementsAre(512, 1024));
  EXPECT_THAT(study->tasks[1].depths, ElementsAre(0.0, 0.5));
  EXPECT_THAT(study->tasks[1].keys, ElementsAre(1, 4));
  ASSERT_EQ(study->pipelines.size(), 3U);
  EXPECT_EQ(study->pipelines[0].spec.name, "int4");
  EXPECT_EQ(study->pipelines[0].spec.stages.size(), 1U);
  EXPECT_EQ(study->pipelines[1].label, "eight");
  EXPECT_THAT(study->pipelines[1].published, ElementsAre(Pair("all", 99.5), Pair("needle", 100)));
  EXPECT_EQ(study->pipelines[2].spec.name, "mine");
  EXPECT_EQ(study->pipelines[2].group, "g");
  EXPECT_EQ(study->pipelines[2].spec.stages[1].name, "rans");
  EXPECT_TRUE(study->delta_statistics);
  EXPECT_THAT(study->charts, ElementsAre(StudyChart::kHeatMap, StudyChart::kPareto));
}

TEST(StudyConfig, AllIsEveryPresetOnce) {
  const auto study = parse_study(
      "title: T\nquestion: Q\ntasks: [ squad: { count: 1 } ]\n"
      "pipelines: [ all, { preset: int4, label: four } ]\n",
      "s.yaml", kPresets);
  ASSERT_TRUE(study.has_value()) << study.error().message;
  EXPECT_EQ(study->pipelines.size(), preset_names(kPresets).size());
  EXPECT_EQ(study->pipelines.front().label, "four");
}

struct BadStudy {
  const char* name;
  std::string yaml;  // behind a head of two lines
  std::string message;
};

class StudyConfigError : public ::testing::TestWithParam<BadStudy> {};

TEST_P(StudyConfigError, NamesFileLineAndKey) {
  const auto study = parse_study("title: T\nquestion: Q\n" + GetParam().yaml, "s.yaml", kPresets);
  ASSERT_FALSE(study.has_value());
  EXPECT_EQ(study.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(study.error().message, HasSubstr(GetParam().message));
}

const std::string kTasks = "tasks:\n  - squad: { count: 3 }\n";

const BadStudy kBad[] = {
    {"KeyTypo", "task: []\n", "s.yaml:3: unknown key \"task\"; did you mean \"tasks\"?"},
    {"NoTasks", "pipelines: [raw]\n", "s.yaml:1: \"tasks\" is missing"},
    {"NoPipelines", kTasks, "s.yaml:1: \"pipelines\" is missing"},
    {"TaskIsAWord", "tasks:\n  - squad\n", "s.yaml:4: a task is its name and what is wanted"},
    {"TaskWithoutCount", "tasks:\n  - squad: {}\n",
     "s.yaml:4: the task \"squad\" has no \"count\""},
    {"CountIsAFraction", "tasks:\n  - squad: { count: 1.5 }\n",
     "s.yaml:4: \"count\" must be a whole number from 1 to 1,000,000"},
    {"CountIsNaN", "tasks:\n  - squad: { count: nan }\n", "s.yaml:4: \"count\" must be"},
    {"TaskKeyTypo", "tasks:\n  - needle: { cuont: 3 }\n",
     "s.yaml:4: unknown key \"cuont\"; did you mean \"count\"?"},
    {"DepthTooLarge", "tasks:\n  - needle: { count: 3, depths: [2] }\n",
     "s.yaml:4: \"depths\" must be a number from 0 to 1"},
    {"LengthIsNoList", "tasks:\n  - needle: { count: 3, lengths: 512 }\n",
     "s.yaml:4: \"lengths\" must be a list"},
    {"PresetTypo", kTasks + "pipelines:\n  - rax\n",
     "s.yaml:6: there is no pipeline \"rax\"; did you mean \"raw\"?"},
    {"StageTypo", kTasks + "pipelines:\n  - name: a\n    stages:\n      - rtm\n",
     "s.yaml:8: there is no stage \"rtm\"; did you mean \"rtn\"?"},
    {"PipelineKeyTypo", kTasks + "pipelines:\n  - { preset: raw, lable: x }\n",
     "s.yaml:6: unknown key \"lable\"; did you mean \"label\"?"},
    {"PresetWithStages", kTasks + "pipelines:\n  - { preset: raw, stages: [] }\n",
     "s.yaml:6: a pipeline has either \"preset\", or \"name\" and \"stages\""},
    {"NeitherPresetNorStages", kTasks + "pipelines:\n  - { name: a }\n",
     "s.yaml:6: a pipeline has either \"preset\", or \"name\" and \"stages\""},
    {"StagesWithoutName", kTasks + "pipelines:\n  - { stages: [] }\n",
     "s.yaml:6: the pipeline has no \"name\""},
    {"NameOfAPreset", kTasks + "pipelines:\n  - { name: int4, stages: [] }\n",
     "s.yaml:6: \"int4\" is a preset's name"},
    {"NameIsAPath", kTasks + "pipelines:\n  - { name: ../a, stages: [] }\n",
     "s.yaml:6: a pipeline's name has at most 64 letters"},
    {"Twice", kTasks + "pipelines:\n  - raw\n  - raw\n",
     "s.yaml:7: the pipeline \"raw\" is there twice"},
    {"PublishedForAnotherTask",
     kTasks + "pipelines:\n  - { preset: raw, published: { squat: 3 } }\n",
     "s.yaml:6: the study has no task \"squat\"; did you mean \"squad\"?"},
    {"ChartTypo", kTasks + "pipelines: [raw]\ncharts: [pareta]\n",
     "s.yaml:6: there is no chart \"pareta\"; did you mean \"pareto\"?"},
    {"DeltaStatisticsIsANumber", "delta_statistics: 1\n",
     "s.yaml:3: \"delta_statistics\" must be true or false"},
    {"ChartIsASection", kTasks + "pipelines: [raw]\ncharts: [{ pareto: 1 }]\n",
     "s.yaml:6: there is no chart"},
};

INSTANTIATE_TEST_SUITE_P(StudyConfig, StudyConfigError, ::testing::ValuesIn(kBad),
                         [](const auto& bad) { return std::string(bad.param.name); });

TEST(StudyConfig, EveryStudyOfTheProjectIsValid) {
  const auto studies = load_studies(kStudies, kPresets);
  ASSERT_TRUE(studies.has_value()) << studies.error().message;
  EXPECT_EQ(studies->front().name, "0-main");
  EXPECT_EQ(studies->front().pipelines.size(), preset_names(kPresets).size());
}

TEST(StudyConfig, OneNameIsOnePipelineInAllStudies) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "study_config_test";
  std::filesystem::create_directories(folder);
  const auto put = [&](const char* file, const char* bits) {
    std::ofstream(folder / file) << "title: T\nquestion: Q\n"
                                 << kTasks
                                 << "pipelines:\n  - { name: a, stages: [ rtn: { bits: " << bits
                                 << " } ] }\n";
  };
  put("1.yaml", "4");
  put("2.yaml", "4");
  EXPECT_TRUE(load_studies(folder, kPresets).has_value());
  put("2.yaml", "3");
  const auto studies = load_studies(folder, kPresets);
  ASSERT_FALSE(studies.has_value());
  EXPECT_THAT(studies.error().message, HasSubstr("2.yaml: the pipeline \"a\" has other stages"));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(load_studies(folder, kPresets).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(load_study(folder / "1.yaml", kPresets).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::runtime
