// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/line_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(LineFile, LinesAreAppendedInOrderAndAllThereAtTheEnd) {
  const tests::TemporaryFolder folder;
  const auto path = folder.write("log", "before\n");
  for (const char* line : {"a", "b"}) {
    auto file = LineFile::open(path, {});
    ASSERT_TRUE(file.has_value()) << file.error().message;
    (*file)->push(line);
    (*file)->push(std::string(1000, 'x'));
  }
  const std::string long_line(1000, 'x');
  EXPECT_THAT(lines_of(path), ElementsAre("before", "a", long_line, "b", long_line));
}

TEST(LineFile, WhatFindsNoRoomIsCounted) {
  const tests::TemporaryFolder folder;
  LineFileOptions options;
  options.pending_bytes_max = 100;
  options.lost = [](std::int64_t lines) { return "lost " + std::to_string(lines); };
  {
    auto file = LineFile::open(folder.path() / "log", std::move(options));
    ASSERT_TRUE(file.has_value());
    (*file)->push(std::string(100, 'x'));  // with its line feed, one byte too many
    (*file)->push(std::string(1000, 'x'));
  }
  EXPECT_THAT(lines_of(folder.path() / "log"), ElementsAre("lost 2"));
}

// A device that takes nothing: a disk that is full.
TEST(LineFile, AFullDiskIsSaidOnceAndStopsNobody) {
  std::vector<std::string> warnings;
  LineFileOptions options;
  options.warn = [&](const std::string& sentence) { warnings.push_back(sentence); };
  {
    auto file = LineFile::open("/dev/full", std::move(options));
    if (!file) GTEST_SKIP() << "there is no /dev/full here";
    for (int i = 0; i < 100; ++i) (*file)->push("line");
  }
  EXPECT_THAT(warnings, ElementsAre("cannot write /dev/full: No space left on device; lines are "
                                    "lost until it can be written again"));
}

TEST(LineFile, AFolderThatIsNotThereIsAnError) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "none" / "log";
  const auto file = LineFile::open(path, {});
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().message, "cannot write " + path.string() + ": No such file or directory");
}

}  // namespace
}  // namespace sluice::runtime
