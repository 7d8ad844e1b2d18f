// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/pipeline_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/config/pipeline_config.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

class PipelineSetTest : public testing::Test {
 protected:
  PipelineSetTest() {
    folder_.write("raw.yaml", "name: raw\n");
    folder_.write("four.yaml", "name: four\nstages: [ rtn: { bits: 4 } ]\n");
    folder_.write("five.yaml", "name: five\nstages: [ rtn: { bits: 5 } ]\n");
    folder_.write("wrong.yaml", "name: wrong\nstages: [ rtn: { bits: 40 } ]\n");
    folder_.write("learned.yaml", "name: learned\nstages: [ klt: {}, kvtc: {} ]\n");
  }
  PipelineSetOptions options() const {
    PipelineSetOptions options;
    options.shape = {.layers = 2, .kv_heads = 2, .head_dim = 8, .rope = {}};
    options.presets = folder_.path();
    return options;
  }
  Result<std::unique_ptr<PipelineSet>> create(const std::string& name) const {
    return PipelineSet::create(name, options());
  }

  tests::TemporaryFolder folder_;
};

TEST_F(PipelineSetTest, AnEmptyNameIsTheStandardOne) {
  const auto set = create("four").value();
  EXPECT_EQ(set->standard()->name(), "four");
  EXPECT_EQ(set->find("").value(), set->standard());
  EXPECT_EQ(set->find("four").value(), set->standard());
}

TEST_F(PipelineSetTest, OthersAreBuiltOnce) {
  const auto set = create("raw").value();
  const auto five = set->find("five").value();
  EXPECT_EQ(five->name(), "five");
  EXPECT_EQ(set->find("five").value(), five);
}

TEST_F(PipelineSetTest, ErrorsAreSentences) {
  const auto set = create("raw").value();
  EXPECT_THAT(set->find("fourr").error().message, HasSubstr("did you mean \"four\"?"));
  EXPECT_THAT(set->find("wrong").error().message, HasSubstr("wrong.yaml:2:"));
  EXPECT_EQ(set->find("../raw").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(create("wrong").error().message, HasSubstr("wrong.yaml:2:"));
}

TEST_F(PipelineSetTest, AStageThatWantsAProfileSaysHowToMakeOne) {
  EXPECT_THAT(create("learned").error().message, HasSubstr("sluice codec calibrate"));
}

TEST_F(PipelineSetTest, AWorkerRefusesWhatNeedsASecondPass) {
  folder_.write("twice.yaml", "name: twice\nstages: [ kvzip: {} ]\n");
  EXPECT_EQ(create("twice").error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(create("raw").value()->find("twice").error().message,
              HasSubstr("pipeline 'twice' selects by a repetition of the prompt"));
}

TEST_F(PipelineSetTest, LevelsThatMayTakeTurnsAreAFamily) {
  folder_.write("kept.yaml", "name: kept\nstages: [ q2c: { budget: 0.5 }, rtn: { bits: 4 } ]\n");
  folder_.write("few.yaml", "name: few\nstages: [ q2c: { budget: 0.1 }, rtn: { bits: 4 } ]\n");
  folder_.write("window.yaml", "name: window\nstages: [ snapkv: { budget: 0.1 } ]\n");
  folder_.write("plans.yaml", "name: plans\nstages: [ squeeze: {}, q2c: { budget: 0.1 } ]\n");
  scheduler::LevelTable table;
  for (const char* name : {"five", "four", "kept", "few", "window", "plans", "gone"}) {
    scheduler::Level level;
    level.pipeline = name;
    if (const auto spec = find_preset(name, folder_.path())) {
      level.stages = sluice::runtime::pipeline_hash(*spec);
    }
    table.levels.push_back(level);
  }
  const auto set = create("raw").value();
  const auto names = [&] {
    std::vector<std::vector<std::string>> all;
    for (const LevelFamily& family : set->families(table)) {
      all.emplace_back();
      for (const LevelPipeline& member : family) {
        EXPECT_EQ(table.levels[static_cast<std::size_t>(member.level)].pipeline,
                  member.pipeline->name());
        all.back().push_back(member.pipeline->name());
      }
    }
    return all;
  };
  using Names = std::vector<std::vector<std::string>>;
  EXPECT_EQ(names(), (Names{{"five", "four"}, {"kept", "few"}, {"window"}, {"plans"}}));
  table.levels[1].stages ^= 1;  // the preset is not the one that was measured
  EXPECT_EQ(names(), (Names{{"five"}, {"kept", "few"}, {"window"}, {"plans"}}));
}

TEST_F(PipelineSetTest, RanksCompareWhatIsDone) {
  EXPECT_EQ(create("four").value()->pipeline_hash(), create("four").value()->pipeline_hash());
  EXPECT_NE(create("four").value()->pipeline_hash(), create("five").value()->pipeline_hash());
  EXPECT_EQ(create("four").value()->profile_hash(), 0U);
  auto with_profile = options();
  auto profile = std::make_shared<kernels::Profile>();
  with_profile.profile = profile;
  EXPECT_EQ(PipelineSet::create("four", with_profile).value()->profile_hash(), profile->hash());
}

TEST_F(PipelineSetTest, KvOfEachPipelineHasASaltOfItsOwnAndSomeHaveNone) {
  folder_.write("window.yaml", "name: window\nstages: [ streaming: { budget: 0.5 } ]\n");
  const auto set = create("raw").value();
  EXPECT_EQ(set->prefix_salt(""), set->pipeline_hash());
  EXPECT_EQ(set->prefix_salt("raw"), set->pipeline_hash());
  EXPECT_EQ(set->prefix_salt("four"), create("four").value()->pipeline_hash());
  EXPECT_NE(set->prefix_salt("four"), set->prefix_salt("five"));
  EXPECT_FALSE(set->prefix_salt("window"));
  EXPECT_FALSE(set->prefix_salt("nobody"));
}

}  // namespace
}  // namespace sluice::runtime
