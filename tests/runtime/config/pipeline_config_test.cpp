// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/pipeline_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kernels/stages/registry.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kPresets = SLUICE_SOURCE_DIR "/configs/pipelines";

std::string error_of(const std::string& yaml) {
  const auto spec = parse_pipeline(yaml, "p.yaml");
  if (spec) return "no error";
  EXPECT_EQ(spec.error().code, ErrorCode::kInvalidArgument);
  return spec.error().message;
}

TEST(PipelineConfig, StagesComeInOrderWithTheirParameters) {
  const auto spec = parse_pipeline(
      "name: mine\nsummary: two stages\nstages:\n  - delta\n  - rtn: { bits: 3, group: 64 }\n",
      "p.yaml");
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->name, "mine");
  EXPECT_EQ(spec->summary, "two stages");
  ASSERT_EQ(spec->stages.size(), 2U);
  EXPECT_EQ(spec->stages[0].name, "delta");
  EXPECT_TRUE(spec->stages[0].parameters.empty());
  EXPECT_EQ(spec->stages[1].name, "rtn");
  EXPECT_EQ(spec->stages[1].parameters.at("bits"), kernels::ParameterValue(3.0));
  EXPECT_EQ(spec->stages[1].parameters.at("group"), kernels::ParameterValue(64.0));
}

TEST(PipelineConfig, NoStagesIsRaw) {
  for (const char* yaml : {"name: a\n", "name: a\nstages:\n", "name: a\nstages: []\n"}) {
    const auto spec = parse_pipeline(yaml, "p.yaml");
    ASSERT_TRUE(spec.has_value()) << spec.error().message;
    EXPECT_TRUE(spec->stages.empty());
  }
}

struct BadPipeline {
  const char* name;
  std::string yaml;
  std::string message;
};

class PipelineConfigError : public ::testing::TestWithParam<BadPipeline> {};

TEST_P(PipelineConfigError, IsOneSentenceWithFileAndLine) {
  EXPECT_THAT(error_of(GetParam().yaml), HasSubstr(GetParam().message));
}

const BadPipeline kBad[] = {
    {"Empty", "", "p.yaml:1: a pipeline is a file with the keys \"name\" and \"stages\""},
    {"NoName", "stages: []\n", "p.yaml:1: \"name\" is missing"},
    {"NameIsAPath", "name: ../a\n", "p.yaml:1: a pipeline's name has at most 64 letters"},
    {"NameIsAList", "name: [a]\n", "p.yaml:1: \"name\" must be a text"},
    {"KeyTypo", "name: a\nstage: []\n",
     "p.yaml:2: unknown key \"stage\"; did you mean \"stages\"?"},
    {"StagesIsAWord", "name: a\nstages: rtn\n", "p.yaml:2: \"stages\" must be a list"},
    {"StageTypo", "name: a\nstages:\n  - rtm: { bits: 4 }\n",
     "p.yaml:3: there is no stage \"rtm\"; did you mean \"rtn\"?"},
    {"TwoInOne", "name: a\nstages:\n  - { rtn: {}, delta: {} }\n", "p.yaml:3: a stage is its name"},
    {"ParametersAreAList", "name: a\nstages:\n  - rtn: [4]\n",
     "p.yaml:3: the parameters of \"rtn\" must be a section of keys, not a list"},
    {"ParameterTypo", "name: a\nstages:\n  - rtn:\n      bist: 4\n",
     "p.yaml:4: the stage \"rtn\" has no parameter \"bist\"; did you mean \"bits\"?"},
    {"ParameterTooLarge", "name: a\nstages:\n  - rtn:\n      bits: 400\n",
     "p.yaml:4: stage 'rtn': 'bits' must be from"},
    {"ParameterIsAWord", "name: a\nstages:\n  - rtn: { bits: four }\n",
     "p.yaml:3: stage 'rtn': 'bits' must be a list of numbers"},
    {"ParameterIsASection", "name: a\nstages:\n  - rtn: { bits: { a: 1 } }\n",
     "p.yaml:3: \"bits\" must be a number, a word or a list of numbers"},
    {"ListOfWords", "name: a\nstages:\n  - rtn: { bits: [x] }\n",
     "p.yaml:3: \"bits\" must be a list of numbers"},
};

INSTANTIATE_TEST_SUITE_P(PipelineConfig, PipelineConfigError, ::testing::ValuesIn(kBad),
                         [](const auto& bad) { return std::string(bad.param.name); });

TEST(PipelineConfig, TooManyStagesAreRefused) {
  std::string yaml = "name: a\nstages:\n";
  for (int i = 0; i < 17; ++i) yaml += "  - rtn\n";
  EXPECT_THAT(error_of(yaml), HasSubstr("p.yaml:3: a pipeline has at most 16 stages"));
}

TEST(PipelineConfig, EveryPresetIsValidAndNamedAsItsFile) {
  const auto names = preset_names(kPresets);
  EXPECT_THAT(names, ::testing::Contains("raw"));
  for (const std::string& name : names) {
    const auto spec = find_preset(name, kPresets);
    ASSERT_TRUE(spec.has_value()) << spec.error().message;
    EXPECT_FALSE(spec->summary.empty()) << name;
  }
}

TEST(PipelineConfig, APresetsNameLeadsNowhereElse) {
  for (const char* name : {"", "../pipelines/raw", "/etc/passwd", ".raw", "ra w", "rax"}) {
    const auto spec = find_preset(name, kPresets);
    ASSERT_FALSE(spec.has_value()) << name;
    EXPECT_EQ(spec.error().code, ErrorCode::kNotFound);
  }
  EXPECT_THAT(find_preset("rax", kPresets).error().message,
              HasSubstr("there is no pipeline \"rax\"; did you mean \"raw\"?"));
}

TEST(PipelineConfig, TheOperatorMayNameAFile) {
  EXPECT_EQ(find_pipeline((kPresets / "raw.yaml").string(), "/nowhere").value().name, "raw");
  EXPECT_EQ(find_pipeline("raw", kPresets).value().name, "raw");
  EXPECT_THAT(find_pipeline("./none.yaml", kPresets).error().message,
              HasSubstr("there is no pipeline file ./none.yaml"));
  EXPECT_THAT(find_pipeline("raw", "/nowhere").error().message,
              HasSubstr("there are no pipelines in the folder /nowhere"));
}

TEST(PipelineConfig, TheHashIsOfWhatIsDone) {
  const auto hash = [](const std::string& stages) {
    return pipeline_hash(parse_pipeline(stages, "p.yaml").value());
  };
  const auto four = hash("name: a\nstages: [ rtn: { bits: 4 } ]\n");
  EXPECT_EQ(four, hash("name: b\nsummary: x\nstages:\n  - rtn: { bits: 4.0 }\n"));
  EXPECT_NE(four, hash("name: a\nstages: [ rtn: { bits: 3 } ]\n"));
  EXPECT_NE(four, hash("name: a\nstages: []\n"));
  EXPECT_NE(four, hash("name: a\nstages: [ delta, rtn: { bits: 4 } ]\n"));
}

}  // namespace
}  // namespace sluice::runtime
