// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/stage_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

Result<std::vector<kernels::StageSpec>> stages_of(const std::string& yaml) {
  const auto node = parse_yaml(yaml, "s.yaml");
  EXPECT_TRUE(node) << yaml;
  return read_stages(node.value(), Complaint("s.yaml"));
}

std::string error_of(const std::string& yaml) {
  const auto stages = stages_of(yaml);
  return stages ? "no error" : stages.error().message;
}

TEST(StageConfig, AComplaintHasFileAndLine) {
  const Error error = Complaint("a.yaml")(7, "it is wrong");
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.message, "a.yaml:7: it is wrong");
}

TEST(StageConfig, PlainNamesAreNoPaths) {
  for (const char* name : {"a", "best@20x", "A.b_c+d-9"}) EXPECT_TRUE(is_plain_name(name)) << name;
  for (const char* name : {"", ".a", "a/b", "a b", "\xc3\xa4"}) {
    EXPECT_FALSE(is_plain_name(name)) << name;
  }
  EXPECT_TRUE(is_plain_name(std::string(64, 'a')));
  EXPECT_FALSE(is_plain_name(std::string(65, 'a')));
}

TEST(StageConfig, AStageIsAWordOrANameWithParameters) {
  const auto stages = stages_of("- delta\n- rtn:\n- rtn: { bits: [4, 2], group: 32 }\n");
  ASSERT_TRUE(stages) << stages.error().message;
  ASSERT_EQ(stages->size(), 3U);
  EXPECT_EQ((*stages)[0].name, "delta");
  EXPECT_TRUE((*stages)[1].parameters.empty());
  EXPECT_EQ((*stages)[2].parameters.at("bits"),
            kernels::ParameterValue(std::vector<double>{4.0, 2.0}));
  EXPECT_EQ((*stages)[2].parameters.at("group"), kernels::ParameterValue(32.0));
}

TEST(StageConfig, ErrorsPointAtTheirLine) {
  EXPECT_THAT(error_of("rtn"), HasSubstr("s.yaml:1: \"stages\" must be a list"));
  EXPECT_THAT(error_of("- delta\n- rtm\n"), HasSubstr("s.yaml:2: there is no stage \"rtm\""));
  EXPECT_THAT(error_of("- rtn:\n    group: 32\n    bitz: 4\n"),
              HasSubstr("s.yaml:3: the stage \"rtn\" has no parameter \"bitz\""));
  EXPECT_THAT(error_of("- rtn: { bits: [4, x] }\n"), HasSubstr("must be a list of numbers"));
  EXPECT_THAT(error_of("- rtn: 4\n"), HasSubstr("must be a section of keys"));
}

TEST(StageConfig, APipelineHasAtMostSixteenStages) {
  std::string yaml;
  for (int i = 0; i < 16; ++i) yaml += "- delta\n";
  EXPECT_TRUE(stages_of(yaml));
  EXPECT_THAT(error_of(yaml + "- delta\n"), HasSubstr("at most 16 stages"));
}

}  // namespace
}  // namespace sluice::runtime
