// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/data_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

TEST(DataFile, TheOneFileOfAPatternIsFound) {
  const tests::TemporaryFolder folder;
  folder.write("x-1.json", "one");
  folder.write("x-1.jsonl", "other");
  folder.write("ax-1.json", "other");
  const auto file = DataFile::open_only(folder.path(), {{"x-", ".json"}, {"y", ".json"}});
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->text(), "one");
  EXPECT_EQ(file->name(), (folder.path() / "x-1.json").string());
}

TEST(DataFile, AMissingFileIsNamed) {
  const tests::TemporaryFolder folder;
  const auto file = DataFile::open_only(folder.path(), {{"x-", ".json"}, {"y", ".json"}});
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(file.error().message, folder.path().string() + ": has no file x-*.json or y*.json");
  const auto none = DataFile::open_only(folder.path() / "none", {{"x-", ".json"}});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  const auto files = data_files(folder.path() / "none", {"", "_test.csv"});
  ASSERT_FALSE(files.has_value());
  EXPECT_EQ(files.error().message, (folder.path() / "none").string() + ": has no file *_test.csv");
}

TEST(DataFile, TwoOfOnePatternAreTooMany) {
  const tests::TemporaryFolder folder;
  folder.write("x-1.json", "one");
  folder.write("x-2.json", "two");
  const auto file = DataFile::open_only(folder.path(), {{"x-", ".json"}});
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().message,
            folder.path().string() +
                ": holds both x-1.json and x-2.json, of which only one may be there");
  EXPECT_THAT(*data_files(folder.path(), {"x-", ".json"}),
              ElementsAre(folder.path() / "x-1.json", folder.path() / "x-2.json"));
}

TEST(DataFile, AFileGreaterThanADataSetIsRefused) {
  const tests::TemporaryFolder folder;
  const auto path = folder.write("x-1.json", "one");
  std::filesystem::resize_file(path, kDataFileBytesMax + 1);  // sparse
  const auto file = DataFile::open(path);
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().message,
            path.string() + ": is greater than the 64 MiB of a data set's file");
}

TEST(DataFile, FirstItemsAreAPartOfMore) {
  std::vector<EvaluationItem> items(20);
  for (std::size_t i = 0; i < items.size(); ++i) items[i].id = std::to_string(i);
  ItemRequest request;
  request.count = 30;
  const auto all = first_items(items, request, "x");
  ASSERT_EQ(all.size(), 20U);
  request.count = 5;
  const auto few = first_items(items, request, "x");
  ASSERT_EQ(few.size(), 5U);
  for (std::size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i].id, all[i].id);
  request.count = -1;
  EXPECT_TRUE(first_items(items, request, "x").empty());
}

}  // namespace
}  // namespace sluice::runtime
