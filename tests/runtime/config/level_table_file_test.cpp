// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/level_table_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

namespace sluice::runtime {
namespace {

using scheduler::Level;
using scheduler::LevelTable;
using ::testing::HasSubstr;
using ::testing::StartsWith;

LevelTable some_table() {
  LevelTable table;
  table.model_fingerprint = 0x00daea5a8929c080;
  table.profile_hash = ~std::uint64_t{0};
  table.items = 24;
  table.raw_bytes_per_token = 23040;
  table.prefill_s_per_token = 1.0 / 3.0;
  table.decode_s_per_output_token = 5e-324;
  table.levels.push_back(
      {.pipeline = "raw", .stages = 7, .bytes_per_token = 23040.0, .is_streaming = true});
  table.levels.push_back({.pipeline = "best@20",
                          .stages = 0xfedcba9876543210,
                          .bytes_per_token = 1100.1,
                          .bytes_fixed = 777.25,
                          .encode_s_per_token = 1e-5,
                          .decode_s_per_token = 2e-6,
                          .kl = 0.1,
                          .kl_high = 0.3,
                          .nll_growth = -0.001,
                          .top1 = 0.95,
                          .is_streaming = false});
  return table;
}

std::string yaml_without(const std::string& line_start) {
  std::string yaml = format_level_table(some_table());
  const auto first = yaml.find(line_start);
  yaml.erase(first, yaml.find('\n', first) + 1 - first);
  return yaml;
}

std::string yaml_with(const std::string& from, const std::string& to) {
  std::string yaml = format_level_table(some_table());
  return yaml.replace(yaml.find(from), from.size(), to);
}

std::string error_of(const std::string& yaml) {
  const auto table = parse_level_table(yaml, "t.yaml");
  if (table) return "no error";
  EXPECT_EQ(table.error().code, ErrorCode::kInvalidArgument);
  return table.error().message;
}

TEST(LevelTableFile, ComesBackToTheLastBit) {
  const auto back = parse_level_table(format_level_table(some_table()), "t.yaml");
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(*back, some_table());
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 50; ++trial) {
    LevelTable table = some_table();
    const auto number = [&] {
      return std::ldexp(static_cast<double>(random()), -static_cast<int>(random() % 200) - 20);
    };
    table.profile_hash = random() >> random() % 64;
    for (Level& level : table.levels) {
      level.bytes_fixed = number();
      level.kl = number();
      level.encode_s_per_token = number();
    }
    EXPECT_EQ(parse_level_table(format_level_table(table), "t.yaml").value(), table);
  }
}

TEST(LevelTableFile, LevelsComeByDescendingBytes) {
  LevelTable table = some_table();
  std::swap(table.levels[0], table.levels[1]);
  EXPECT_EQ(parse_level_table(format_level_table(table), "t.yaml").value(), some_table());
}

TEST(LevelTableFile, MayHaveNoLevels) {
  LevelTable table = some_table();
  table.levels.clear();
  EXPECT_EQ(parse_level_table(format_level_table(table), "t.yaml").value(), table);
}

struct BadTable {
  const char* name;
  std::string yaml;
  std::string message;
};

class LevelTableFileError : public ::testing::TestWithParam<BadTable> {};

TEST_P(LevelTableFileError, IsOneSentenceWithFileAndLine) {
  EXPECT_EQ(error_of(GetParam().yaml), "t.yaml:" + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, LevelTableFileError,
    ::testing::Values(
        BadTable{"NotASection", "- 1\n", "1: a table of levels is a section of keys"},
        BadTable{"Empty", "", "1: a table of levels is a section of keys"},
        BadTable{"UnknownKey", yaml_with("items:", "item:"),
                 "5: unknown key \"item\"; did you mean \"items\"?"},
        BadTable{"UnknownKeyOfALevel", yaml_with("top1: 1", "top2: 1"),
                 "19: unknown key \"top2\"; did you mean \"top1\"?"},
        BadTable{"Missing", yaml_without("items:"), "3: \"items\" is missing"},
        BadTable{"MissingLevels", "model: \"0000000000000000\"\n", "1: \"profile\" is missing"},
        BadTable{"MissingOfALevel", yaml_without("    kl_high"), "10: \"kl_high\" is missing"},
        BadTable{"Twice", yaml_with("best@20", "raw"), "21: the level \"raw\" is there twice"},
        BadTable{"NoList", yaml_with("top1: 1", "top1: [1]"),
                 "19: \"top1\" must be a single value, not a list"},
        BadTable{"OverOne", yaml_with("top1: 1", "top1: 1.5"),
                 "19: \"top1\" must be a share from 0 to 1, not \"1.5\""},
        BadTable{"Negative", yaml_with("items: 24", "items: -1"),
                 "5: \"items\" must be a whole number from 0 up, not \"-1\""},
        BadTable{"NegativeBytes", yaml_with("23040", "-23040"),
                 "6: \"raw_bytes_per_token\" must be a number from 0 to 1e15, not \"-23040\""},
        BadTable{"NotFinite", yaml_with("-0.001", "inf"),
                 "29: \"nll_growth\" must be a number up to 1e15, not \"inf\""},
        BadTable{"NotANumber", yaml_with("23040", "nan"),
                 "6: \"raw_bytes_per_token\" must be a number from 0 to 1e15, not \"nan\""},
        BadTable{"ShortHash", yaml_with("ffffffffffffffff", "ff"),
                 "4: \"profile\" must be 16 hexadecimal digits, not \"ff\""},
        BadTable{"NoBool", yaml_with("streaming: true", "streaming: yes"),
                 "20: \"streaming\" must be true or false, not \"yes\""},
        BadTable{"NoName", yaml_with("best@20", "../best"),
                 "21: \"pipeline\" must be a preset's name, not \"../best\""},
        BadTable{"LevelsNoList", "levels: 3\n", "1: \"levels\" must be a list, not a single value"},
        BadTable{"LevelNoSection", "levels: [3]\n",
                 "1: a level must be a section of keys, not a single value"},
        BadTable{"TooLarge", std::string((1 << 20) + 1, ' '),
                 "1: the file is larger than 1 MiB, so it is not a table of levels"}),
    [](const auto& bad) { return bad.param.name; });

TEST(LevelTableFile, TooManyLevelsAreRefused) {
  std::string yaml = "levels:\n";
  for (int i = 0; i < 1025; ++i) yaml += "  - {}\n";
  EXPECT_THAT(error_of(yaml), HasSubstr("more than 1024 levels"));
}

class LevelTableFolder : public ::testing::Test {
 protected:
  LevelTableFolder()
      : folder_(std::filesystem::temp_directory_path() /
                ("level-table-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
  }
  ~LevelTableFolder() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(LevelTableFolder, IsSavedWholeAndLoaded) {
  const auto path = folder_ / "profiles" / "m.levels.yaml";
  const LevelTable table = some_table();
  ASSERT_TRUE(save_level_table(path, table).has_value());
  EXPECT_EQ(load_level_table(path, table.model_fingerprint).value(), table);
  ASSERT_TRUE(save_level_table(path, table).has_value());  // over the one that is there
  const auto files = std::filesystem::directory_iterator(path.parent_path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(LevelTableFolder, OfAnotherModelIsRefused) {
  const auto path = folder_ / "m.levels.yaml";
  ASSERT_TRUE(save_level_table(path, some_table()).has_value());
  const auto table = load_level_table(path, 1);
  ASSERT_FALSE(table.has_value());
  EXPECT_EQ(table.error().message, path.string() + ": the levels are of another model");
}

TEST_F(LevelTableFolder, ThatIsNotThereIsNamed) {
  for (const auto& path : {folder_ / "none.yaml", std::filesystem::temp_directory_path()}) {
    const auto table = load_level_table(path, 1);
    ASSERT_FALSE(table.has_value());
    EXPECT_EQ(table.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(table.error().message, HasSubstr("'sluice profile'"));
  }
}

TEST_F(LevelTableFolder, ThatCannotBeWrittenIsNamed) {
  const auto saved = save_level_table("/dev/null/m.levels.yaml", some_table());
  ASSERT_FALSE(saved.has_value());
  EXPECT_THAT(saved.error().message, StartsWith("cannot write /dev/null/m.levels.yaml: "));
}

}  // namespace
}  // namespace sluice::runtime
