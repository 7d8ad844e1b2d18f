// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/safetensors_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "runtime/model/safetensors_file.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::filesystem::path scratch_folder() {
  return std::filesystem::temp_directory_path() / ("sluice-writer-" + std::to_string(getpid()));
}

template <class T, std::size_t N>
NamedTensor tensor_of(std::string name, DType dtype, const std::array<T, N>& values,
                      std::array<std::int64_t, kTensorRankMax> shape, int rank) {
  return {std::move(name), {reinterpret_cast<const std::byte*>(values.data()), dtype, rank, shape}};
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const std::array<float, 6> floats{1, 2, 3, 4, 5, 6};
  const std::array<std::uint8_t, 3> bytes{7, 8, 9};
  const std::array<float, 1> nothing{};
  const std::vector<NamedTensor> tensors{
      tensor_of("a.bytes", DType::kU8, bytes, {3}, 1),
      tensor_of("b", DType::kF32, floats, {2, 3}, 2),
      tensor_of("empty", DType::kF32, nothing, {0, 3}, 2),
  };
  const auto path = scratch_folder() / "new" / "file.safetensors";
  ASSERT_TRUE(write_safetensors(path, tensors));
  const auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT((*file)->tensor_names(), UnorderedElementsAre("a.bytes", "b", "empty"));
  const auto b = (*file)->tensor("b");
  ASSERT_TRUE(b.has_value());
  EXPECT_EQ(b->rank, 2);
  EXPECT_EQ(b->shape[1], 3);
  EXPECT_EQ(std::memcmp(b->data, floats.data(), sizeof floats), 0);
  EXPECT_EQ((*file)->tensor("empty")->elements(), 0);
  std::filesystem::remove_all(scratch_folder());
}

TEST(SafetensorsWriter, LeavesNothingWhereItMayNotWrite) {
  const std::array<float, 1> one{1};
  const std::vector<NamedTensor> tensors{tensor_of("a", DType::kF32, one, {1}, 1)};
  const Status written = write_safetensors("/proc/nowhere/file.safetensors", tensors);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(written.error().message, HasSubstr("cannot write /proc/nowhere"));
}

TEST(SafetensorsWriter, RefusesBlockTypes) {
  const std::array<std::uint8_t, 34> block{};
  const std::vector<NamedTensor> tensors{tensor_of("q", DType::kQ8_0, block, {32}, 1)};
  const Status written = write_safetensors(scratch_folder() / "q.safetensors", tensors);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::runtime
