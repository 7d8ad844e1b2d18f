// SPDX-License-Identifier: Apache-2.0
// `sluice profile` as a user has it: a table of levels, measured once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/config/level_table_file.hpp"
#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

using ::testing::HasSubstr;

class ProfileCommand : public ::testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string out;
    std::string error;
  };
  // Levels that need no calibration, few prompts.
  Outcome profile(std::vector<std::string> more) const {
    std::vector<std::string> arguments{SLUICE_PROGRAM, "profile", kModel, "--output", table()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    tests::ChildProcess child(arguments);
    const int code = child.wait(kPatience);
    return {code, child.out(), child.error()};
  }
  std::string table() const { return (folder_.path() / "m.levels.yaml").string(); }

  tests::TemporaryFolder folder_;
};

TEST_F(ProfileCommand, WritesATableOfLevelsOnce) {
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const std::vector<std::string> few{"--levels", "int4", "raw", "int8", "--items", "2"};
  const Outcome first = profile(few);
  ASSERT_EQ(first.code, 0) << first.error;
  EXPECT_THAT(first.out, HasSubstr("2 prompts"));
  EXPECT_THAT(first.out, HasSubstr(table()));
  const auto levels = runtime::parse_level_table(read_file(table()), "m.levels.yaml");
  ASSERT_TRUE(levels.has_value()) << levels.error().message;
  EXPECT_EQ(levels->items, 2);
  EXPECT_EQ(levels->raw_bytes_per_token, 23040.0);
  EXPECT_GT(levels->prefill_s_per_token, 0.0);
  EXPECT_GT(levels->decode_s_per_output_token, 0.0);
  ASSERT_EQ(levels->levels.size(), 3U);
  EXPECT_EQ(levels->levels[0].pipeline, "raw");
  EXPECT_EQ(levels->levels[0].kl, 0.0);
  EXPECT_EQ(levels->levels[0].top1, 1.0);
  EXPECT_NEAR(levels->levels[0].bytes(1000), 23.04e6, 0.1e6);  // and headers
  EXPECT_EQ(levels->levels[1].pipeline, "int8");
  EXPECT_EQ(levels->levels[2].pipeline, "int4");
  EXPECT_LT(levels->levels[1].kl, levels->levels[2].kl);
  for (const auto& level : levels->levels) {
    EXPECT_GT(level.encode_s_per_token, 0.0);
    EXPECT_GT(level.decode_s_per_token, 0.0);
    EXPECT_TRUE(level.is_streaming);
  }
  auto again = few;
  again.push_back("--if-missing");
  const Outcome second = profile(again);
  ASSERT_EQ(second.code, 0) << second.error;
  EXPECT_THAT(second.out, HasSubstr("there already"));
}

TEST_F(ProfileCommand, SaysInASentenceWhatIsWrong) {
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const Outcome unknown = profile({"--levels", "int5"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.error, HasSubstr("there is no pipeline \"int5\""));
  const Outcome no_data =
      profile({"--levels", "raw", "--data", (folder_.path() / "none").string()});
  EXPECT_EQ(no_data.code, 1);
  EXPECT_THAT(no_data.error, HasSubstr("none"));
  EXPECT_EQ(std::filesystem::exists(table()), false);
  const Outcome no_items = profile({"--items", "0"});
  EXPECT_NE(no_items.code, 0);
}

}  // namespace
}  // namespace sluice::launch
