// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/gguf_file.hpp"

#include <gmock/gmock.h>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using tests::GgufBuilder;

std::unique_ptr<GgufFile> open(const GgufBuilder& builder) {
  const tests::TemporaryFolder folder;  // the mapping outlives the name
  auto file = GgufFile::open(folder.write("m.gguf", builder.build()));
  EXPECT_TRUE(file.has_value()) << file.error().message;
  return file ? std::move(*file) : nullptr;
}

TEST(GgufFile, LooksUpTypedValues) {
  GgufBuilder builder;
  builder.u32("n", 7).put("minus", GgufBuilder::kInt32, std::int32_t{-7}).f32("x", 1.5F);
  builder.text("t", "hello").put("huge", GgufBuilder::kUint64, ~std::uint64_t{0});
  const auto file = open(builder);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(*file->integer("n"), 7);
  EXPECT_EQ(*file->integer("minus"), -7);
  EXPECT_EQ(*file->number("n"), 7.0);
  EXPECT_EQ(*file->number("x"), 1.5);
  EXPECT_EQ(*file->text("t"), "hello");
  EXPECT_EQ(file->find("none"), nullptr);
  EXPECT_EQ(file->integer("none").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(file->integer("none").error().message, HasSubstr("has no metadata key 'none'"));
  EXPECT_EQ(file->integer("t").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->integer("x").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->number("t").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(file->text("n").error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(file->integer("huge").error().message, HasSubstr("out of range"));
}

TEST(GgufFile, FindsTensorsByName) {
  GgufBuilder builder;
  builder.tensor_f32("a", {2}, {1.0F, 2.0F});
  builder.tensor("b", {256}, GgufBuilder::kQ3_K, std::vector<std::byte>(110));
  const auto file = open(builder);
  ASSERT_NE(file, nullptr);
  ASSERT_TRUE(file->tensor("a").has_value());
  EXPECT_EQ(file->tensor("a")->as<float>()[1], 2.0F);
  EXPECT_EQ(file->unread_type("a"), std::nullopt);
  EXPECT_FALSE(file->tensor("b").has_value());
  EXPECT_EQ(file->unread_type("b"), "Q3_K");
  EXPECT_FALSE(file->tensor("c").has_value());
  EXPECT_EQ(file->unread_type("c"), std::nullopt);
  EXPECT_THAT(file->tensor_names(), ::testing::ElementsAre("a", "b"));
}

TEST(GgufFile, ErrorsNameTheFile) {
  const tests::TemporaryFolder folder;
  const auto path = folder.write("bad.gguf", "not one at all");
  EXPECT_THAT(GgufFile::open(path).error().message, HasSubstr("bad.gguf: is not a GGUF file"));
  EXPECT_EQ(GgufFile::open(folder.path() / "no").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::runtime
