// SPDX-License-Identifier: Apache-2.0
#include "launch/levels.hpp"

#include <gtest/gtest.h>

#include "launch/codec_paths.hpp"
#include "runtime/config/level_table_file.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

constexpr std::uint64_t kProfileHash = 7;

scheduler::LevelTable table_of(const std::vector<std::string>& presets) {
  scheduler::LevelTable table;
  table.profile_hash = kProfileHash;
  for (const std::string& name : presets) {
    scheduler::Level level;
    level.pipeline = name;
    level.stages = runtime::pipeline_hash(*runtime::find_preset(name, presets_folder()));
    table.levels.push_back(level);
  }
  return table;
}

std::string error_of(const scheduler::LevelTable& table) {
  const Status checked = check_levels(table, "t.yaml", kProfileHash, presets_folder());
  return checked ? "no error" : checked.error().message;
}

TEST(CheckLevels, WhatWasMeasuredIsWhatWouldBeSent) {
  EXPECT_EQ(error_of(table_of({"raw", "int4"})), "no error");
}

TEST(CheckLevels, ErrorsSayWhatToDo) {
  const std::string remedy =
      "; measure again with 'sluice profile', or set scheduler.levels to none";
  scheduler::LevelTable table = table_of({"raw"});
  table.profile_hash = 8;
  EXPECT_EQ(error_of(table),
            "t.yaml: the levels were measured with another profile of the model" + remedy);
  EXPECT_EQ(error_of(table_of({})), "t.yaml: there is no level in it" + remedy);
  table = table_of({"raw", "int4"});
  table.levels[1].stages += 1;
  EXPECT_EQ(error_of(table),
            "t.yaml: the preset \"int4\" has other stages than when it was measured" + remedy);
  table.levels[1].pipeline = "int44";
  EXPECT_EQ(error_of(table),
            "t.yaml: there is no pipeline \"int44\"; did you mean \"int4\"?" + remedy);
}

// The path from a cluster file to the table.
class LoadLevels : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
    runtime::ClusterConfig config;
    config.model.path = kModel;
    auto model = load_model(config);
    ASSERT_TRUE(model.has_value()) << model.error().message;
    model_ = std::make_unique<LoadedModel>(std::move(*model));
    const Status opened = open_pipelines(*model_);
    ASSERT_TRUE(opened) << opened.error().message;
    table_ = table_of({"raw", "int4"});
    table_.model_fingerprint = model_->file->fingerprint();
    table_.profile_hash = model_->pipelines->profile_hash();
    model_->config.scheduler.levels = path().string();
  }
  std::filesystem::path path() const { return folder_.path() / "t.levels.yaml"; }
  void save() { ASSERT_TRUE(runtime::save_level_table(path(), table_)); }
  std::string error() const {
    const auto levels = load_levels(*model_);
    return levels ? "no error" : levels.error().message;
  }

  tests::TemporaryFolder folder_;
  std::unique_ptr<LoadedModel> model_;
  scheduler::LevelTable table_;
};

TEST_F(LoadLevels, FromTheFileThatIsNamed) {
  save();
  const auto levels = load_levels(*model_);
  ASSERT_TRUE(levels.has_value()) << levels.error().message;
  ASSERT_NE(*levels, nullptr);
  EXPECT_EQ(**levels, table_);
  model_->config.scheduler.levels = "none";
  EXPECT_EQ(*load_levels(*model_), nullptr);
}

TEST_F(LoadLevels, WhatIsNamedMustBeThereAndOfThisModel) {
  EXPECT_EQ(error(),
            "there is no table of levels " + path().string() + ": make one with 'sluice profile'");
  table_.model_fingerprint ^= 1;
  save();
  EXPECT_EQ(error(), path().string() +
                         ": the levels are of another model; measure again with 'sluice profile'");
}

}  // namespace
}  // namespace sluice::launch
