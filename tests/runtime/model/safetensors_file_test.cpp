// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/safetensors_file.hpp"

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/support/safetensors_builder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using tests::SafetensorsBuilder;
using tests::TemporaryFolder;

std::string shard(const char* tensor, float value) {
  return SafetensorsBuilder().tensor_f32(tensor, {1}, {value}).build();
}

Error folder_error(const TemporaryFolder& folder) {
  auto file = SafetensorsFile::open_folder(folder.path());
  EXPECT_FALSE(file.has_value());
  return file ? Error{} : file.error();
}

TEST(SafetensorsFile, OpensASingleFile) {
  const TemporaryFolder folder;
  folder.write(
      "model.safetensors",
      SafetensorsBuilder().tensor_f32("a", {1}, {3.0F}).tensor("b", "I8", {2}, "xx").build());
  const auto file = SafetensorsFile::open_folder(folder.path());
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ((*file)->tensor("a")->as<float>()[0], 3.0F);
  EXPECT_FALSE((*file)->tensor("b").has_value());
  EXPECT_EQ((*file)->unread_type("b"), "I8");
  EXPECT_EQ((*file)->unread_type("a"), std::nullopt);
  EXPECT_THAT((*file)->tensor_names(), ::testing::ElementsAre("a", "b"));
}

TEST(SafetensorsFile, OpensShards) {
  const TemporaryFolder folder;
  folder.write("one.safetensors", shard("a", 1.0F));
  folder.write("two.safetensors", shard("b", 2.0F));
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":8},)"
               R"("weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  const auto file = SafetensorsFile::open_folder(folder.path());
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ((*file)->tensor("a")->as<float>()[0], 1.0F);
  EXPECT_EQ((*file)->tensor("b")->as<float>()[0], 2.0F);
}

TEST(SafetensorsFile, WrongIndexesAreRefused) {
  const TemporaryFolder folder;
  folder.write("one.safetensors", shard("a", 1.0F));
  folder.write("two.safetensors", shard("a", 2.0F));
  const auto error_with = [&](const char* index) {
    folder.write("model.safetensors.index.json", index);
    return folder_error(folder);
  };
  EXPECT_THAT(error_with(R"({"weight_map":{"a":"../one.safetensors"}})").message,
              HasSubstr("not a plain file name"));
  EXPECT_THAT(error_with(R"({"weight_map":{"a":7}})").message, HasSubstr("not a plain file name"));
  EXPECT_THAT(error_with(R"({"weight_map":{}})").message, HasSubstr("no 'weight_map'"));
  EXPECT_THAT(error_with("{").message, HasSubstr("not valid JSON"));
  EXPECT_THAT(error_with(R"({"weight_map":{"b":"one.safetensors"}})").message,
              HasSubstr("'b' is not in its shard 'one.safetensors'"));
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"gone.safetensors"}})").code, ErrorCode::kNotFound);
  EXPECT_THAT(error_with(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})").message,
              HasSubstr("'a' is in another shard too"));
}

TEST(SafetensorsFile, EmptyFolderSaysWhatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_THAT(folder_error(folder).message, HasSubstr("has neither model.safetensors nor"));
  folder.write("pytorch_model.bin", "x");
  EXPECT_EQ(folder_error(folder).code, ErrorCode::kNotFound);
  EXPECT_THAT(folder_error(folder).message, HasSubstr("pickle"));
}

TEST(SafetensorsFile, AHeaderOf100MegabytesIsRefused) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("model.safetensors", tests::safetensors_file("{", "", 100'000'000));
  std::filesystem::resize_file(path, 120'000'000);  // sparse: takes no room
  EXPECT_EQ(folder_error(folder).code, ErrorCode::kCorrupt);
  EXPECT_THAT(folder_error(folder).message, HasSubstr("header claims 100000000 bytes"));
}

}  // namespace
}  // namespace sluice::runtime
