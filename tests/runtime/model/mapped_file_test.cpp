// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/mapped_file.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

Error error_of(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  EXPECT_FALSE(file.has_value());
  return file ? Error{} : file.error();
}

TEST(MappedFile, ShowsTheBytes) {
  const tests::TemporaryFolder folder;
  auto file = MappedFile::open(folder.write("a", "some bytes"));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  ASSERT_EQ(file->bytes().size(), 10U);
  EXPECT_EQ(std::memcmp(file->bytes().data(), "some bytes", 10), 0);
}

TEST(MappedFile, MovesWithoutUnmapping) {
  const tests::TemporaryFolder folder;
  auto first = MappedFile::open(folder.write("a", "first"));
  auto second = MappedFile::open(folder.write("b", "second!"));
  ASSERT_TRUE(first.has_value() && second.has_value());
  MappedFile moved(std::move(*first));
  moved = std::move(*second);
  EXPECT_EQ(std::memcmp(moved.bytes().data(), "second!", 7), 0);
}

TEST(MappedFile, MissingFileIsNotFound) {
  const auto error = error_of("/nowhere/at/all.gguf");
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_EQ(error.message, "/nowhere/at/all.gguf: there is no such file");
}

TEST(MappedFile, FolderIsRefused) {
  const tests::TemporaryFolder folder;
  const auto error = error_of(folder.path());
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("is a folder, not a file"));
}

TEST(MappedFile, EmptyFileIsCorrupt) {
  const tests::TemporaryFolder folder;
  const auto error = error_of(folder.write("empty", ""));
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("the file is empty"));
}

TEST(MappedFile, NamedPipeIsRefusedWithoutWaiting) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(error_of(path).message, HasSubstr("is not a regular file"));
}

TEST(MappedFile, UnreadableFileSaysWhy) {
  if (::geteuid() == 0) GTEST_SKIP() << "the superuser may read every file";
  const tests::TemporaryFolder folder;
  const auto path = folder.write("secret", "x");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  EXPECT_THAT(error_of(path).message, HasSubstr("Permission denied"));
}

}  // namespace
}  // namespace sluice::runtime
