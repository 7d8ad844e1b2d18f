// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/gguf_parser.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/tiny_llama.hpp"

namespace sluice::runtime {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using tests::GgufBuilder;

std::vector<std::byte> zeros(std::size_t count) { return std::vector<std::byte>(count); }

// Parses a copy on the heap of exactly the file's size, so that a sanitizer sees any step outside.
Result<GgufContents> parse(const std::string& file) {
  const std::vector<char> exact(file.begin(), file.end());
  auto contents = parse_gguf(as_bytes({exact.data(), exact.size()}), "m.gguf");
  if (!contents) {
    EXPECT_THAT(contents.error().message, StartsWith("m.gguf: "));
  }
  return contents;
}

void expect_error(const std::string& file, ErrorCode code, const char* part) {
  const auto contents = parse(file);
  ASSERT_FALSE(contents.has_value()) << "expected: " << part;
  EXPECT_EQ(contents.error().code, code) << contents.error().message;
  EXPECT_THAT(contents.error().message, HasSubstr(part));
}

TEST(GgufParser, ReadsEveryKindOfValue) {
  GgufBuilder builder;
  builder.put("u8", GgufBuilder::kUint8, std::uint8_t{200});
  builder.put("i8", GgufBuilder::kInt8, std::int8_t{-3});
  builder.u32("u32", 4000000000U).put("i32", GgufBuilder::kInt32, std::int32_t{-5});
  builder.put("u64", GgufBuilder::kUint64, std::uint64_t{1} << 63);
  builder.f32("f32", 0.5F).flag("yes", true).text("text", "Grüße");
  builder.texts("texts", {"a", "", "b"});
  builder.numbers<std::int32_t>("ints", GgufBuilder::kInt32, {-1, 2});
  builder.numbers<float>("floats", GgufBuilder::kFloat32, {0.25F});
  builder.numbers<std::uint8_t>("flags", GgufBuilder::kBool, {0, 1});
  for (const std::uint32_t version : {2U, 3U}) {
    builder.version = version;
    const auto contents = parse(builder.build());
    ASSERT_TRUE(contents.has_value()) << contents.error().message;
    const auto& data = contents->metadata;
    EXPECT_EQ(data.at("u8"), GgufValue(std::uint64_t{200}));
    EXPECT_EQ(data.at("i8"), GgufValue(std::int64_t{-3}));
    EXPECT_EQ(data.at("u32"), GgufValue(std::uint64_t{4000000000U}));
    EXPECT_EQ(data.at("i32"), GgufValue(std::int64_t{-5}));
    EXPECT_EQ(data.at("u64"), GgufValue(std::uint64_t{1} << 63));
    EXPECT_EQ(data.at("f32"), GgufValue(0.5));
    EXPECT_EQ(data.at("yes"), GgufValue(true));
    EXPECT_EQ(data.at("text"), GgufValue(std::string("Grüße")));
    EXPECT_EQ(data.at("texts"), GgufValue(std::vector<std::string>{"a", "", "b"}));
    EXPECT_EQ(data.at("ints"), GgufValue(std::vector<std::int64_t>{-1, 2}));
    EXPECT_EQ(data.at("floats"), GgufValue(std::vector<double>{0.25}));
    EXPECT_EQ(data.at("flags"), GgufValue(std::vector<std::int64_t>{0, 1}));
  }
}

TEST(GgufParser, TensorsPointAtTheirBytesInRowMajorOrder) {
  GgufBuilder builder;
  builder.alignment = 64;
  builder.u32("general.alignment", 64);
  builder.tensor_f32("a", {1}, {7.0F});
  builder.tensor_f32("b", {2, 3}, {0, 1, 2, 3, 4, 5});
  builder.tensor("q", {2, 32}, GgufBuilder::kQ4_1, zeros(40));
  const std::string file = builder.build();
  const auto contents = parse_gguf(as_bytes(file), "m.gguf");
  ASSERT_TRUE(contents.has_value()) << contents.error().message;
  EXPECT_THAT(contents->tensor_names, ::testing::ElementsAre("a", "b", "q"));
  const auto b = contents->tensors.at("b").view;
  ASSERT_TRUE(b.has_value());
  EXPECT_EQ(b->rank, 2);
  EXPECT_EQ(b->shape[0], 2);
  EXPECT_EQ(b->shape[1], 3);
  EXPECT_EQ((b->data - as_bytes(file).data()) % 64, 0);
  float last = 0;
  std::memcpy(&last, b->data + 5 * sizeof(float), sizeof(last));
  EXPECT_EQ(last, 5.0F);
  EXPECT_EQ(contents->tensors.at("q").view->dtype, DType::kQ4_1);
}

TEST(GgufParser, AnUnreadTypeIsKeptOutAndNamed) {
  const auto contents =
      parse(GgufBuilder().tensor("w", {256}, GgufBuilder::kQ3_K, zeros(110)).build());
  ASSERT_TRUE(contents.has_value()) << contents.error().message;
  EXPECT_FALSE(contents->tensors.at("w").view.has_value());
  EXPECT_EQ(contents->tensors.at("w").type, GgufBuilder::kQ3_K);
}

TEST(GgufParser, OtherFilesAreRefused) {
  expect_error("", ErrorCode::kCorrupt, "is not a GGUF file");
  expect_error("GGU", ErrorCode::kCorrupt, "is not a GGUF file");
  expect_error("PK\x03\x04 and so on", ErrorCode::kCorrupt, "is not a GGUF file");
  GgufBuilder builder;
  builder.version = 1;
  expect_error(builder.build(), ErrorCode::kUnsupported, "version 1; versions 2 and 3 are read");
  builder.version = 0x03000000;
  expect_error(builder.build(), ErrorCode::kUnsupported, "big-endian");
}

TEST(GgufParser, LyingCountsAreRefused) {
  auto builder = tests::TinyLlama().gguf();
  builder.claimed_tensors = std::numeric_limits<std::uint64_t>::max();
  expect_error(builder.build(), ErrorCode::kCorrupt, "tensors, more than fit into the file");
  builder.claimed_tensors.reset();
  builder.claimed_metadata = std::uint64_t{1} << 40;
  expect_error(builder.build(), ErrorCode::kCorrupt, "metadata entries, more than fit");
  builder.claimed_metadata = 0;  // metadata read as tensors
  EXPECT_FALSE(parse(builder.build()).has_value());
}

TEST(GgufParser, LyingLengthsAreRefused) {
  constexpr auto kHuge = std::numeric_limits<std::uint64_t>::max();
  expect_error(GgufBuilder().begin("s", GgufBuilder::kString).put_length(kHuge).build(),
               ErrorCode::kCorrupt, "claims 18446744073709551615 bytes, but only");
  expect_error(GgufBuilder().begin_array("a", GgufBuilder::kUint8, kHuge).build(),
               ErrorCode::kCorrupt, "elements, more than fit into the file");
  expect_error(GgufBuilder().begin_array("a", GgufBuilder::kString, 1U << 30).build(),
               ErrorCode::kCorrupt, "the array 'a' at byte");
  expect_error(GgufBuilder().begin_array("a", GgufBuilder::kArray, 1).build(),
               ErrorCode::kUnsupported, "array of arrays");
  expect_error(GgufBuilder().begin_array("a", 99, 1).build(), ErrorCode::kCorrupt,
               "elements of the unknown kind 99");
  expect_error(GgufBuilder().put("k", 42, std::uint64_t{0}).build(), ErrorCode::kCorrupt,
               "'k' has the unknown kind 42");
  expect_error(GgufBuilder()
                   .numbers<std::uint64_t>("a", GgufBuilder::kUint64, {std::uint64_t{1} << 63})
                   .build(),
               ErrorCode::kCorrupt, "out of range");
}

TEST(GgufParser, DuplicatesAreRefused) {
  expect_error(GgufBuilder().u32("key", 1).u32("key", 2).build(), ErrorCode::kCorrupt,
               "'key' appears twice");
  expect_error(GgufBuilder().tensor_f32("t", {1}, {0}).tensor_f32("t", {1}, {0}).build(),
               ErrorCode::kCorrupt, "'t' appears twice");
}

TEST(GgufParser, ImpossibleShapesAreRefused) {
  const auto with_shape = [](std::vector<std::uint64_t> shape) {
    return GgufBuilder().tensor("t", std::move(shape), GgufBuilder::kF32, zeros(64)).build();
  };
  expect_error(with_shape({}), ErrorCode::kCorrupt, "claims 0 dimensions");
  expect_error(with_shape({1, 1, 1, 1, 1}), ErrorCode::kCorrupt, "claims 5 dimensions");
  expect_error(with_shape({0, 4}), ErrorCode::kCorrupt, "impossible dimension 0");
  expect_error(with_shape({std::uint64_t{1} << 63}), ErrorCode::kCorrupt, "impossible dimension");
  expect_error(with_shape({std::uint64_t{1} << 33, std::uint64_t{1} << 33}), ErrorCode::kCorrupt,
               "overflow");
  // 2^62 elements: times four bytes it would be zero.
  expect_error(with_shape({std::uint64_t{1} << 31, std::uint64_t{1} << 31}), ErrorCode::kCorrupt,
               "more than a file of");
  expect_error(GgufBuilder().tensor("t", {2, 31}, GgufBuilder::kQ8_0, zeros(68)).build(),
               ErrorCode::kCorrupt, "not a whole number of q8_0 blocks");
}

TEST(GgufParser, WrongPlacesAreRefused) {
  const auto at = [](std::uint64_t offset) {
    auto builder = GgufBuilder().tensor_f32("a", {8}, std::vector<float>(8));
    builder.tensor_f32("b", {8}, std::vector<float>(8));
    builder.tensors[1].claimed_offset = offset;
    return builder.build();
  };
  ASSERT_TRUE(parse(at(32)).has_value());
  expect_error(at(36), ErrorCode::kCorrupt, "'b' has the offset 36, which is not a multiple of 32");
  expect_error(at(64), ErrorCode::kCorrupt, "'b' (offset 64, 32 bytes) reaches past the end");
  expect_error(at(0xffffffffffffffe0U), ErrorCode::kCorrupt, "reaches past the end");
  expect_error(at(0), ErrorCode::kCorrupt, "overlap");
}

TEST(GgufParser, ImpossibleAlignmentsAreRefused) {
  for (const std::uint32_t alignment : {0U, 1U, 4U, 24U, 33U, 1U << 30}) {
    expect_error(GgufBuilder().u32("general.alignment", alignment).build(), ErrorCode::kCorrupt,
                 "general.alignment");
  }
  expect_error(GgufBuilder().text("general.alignment", "32").build(), ErrorCode::kCorrupt,
               "general.alignment");
}

TEST(GgufParser, EveryTruncationIsRefused) {
  const std::string file = tests::TinyLlama().gguf().build();
  ASSERT_TRUE(parse(file).has_value());
  // The last tensor's padding is the only part that may be missing.
  const std::size_t needed = file.size() - 31;
  for (std::size_t size = 0; size < needed; size += size < 2048 ? 1 : 97) {
    EXPECT_FALSE(parse(file.substr(0, size)).has_value()) << size;
  }
}

TEST(GgufParser, TruncationsOfTheDefaultModelAreRefused) {
  const std::string path = SLUICE_DEFAULT_MODEL;
  if (path.empty()) GTEST_SKIP() << "no default model was given to the build";
  constexpr std::size_t kHeaderBytes = 1'790'000;  // a little more than its header
  std::string head(kHeaderBytes, '\0');
  std::ifstream(path, std::ios::binary).read(head.data(), kHeaderBytes);
  for (std::size_t size = 0; size <= kHeaderBytes; size += size < 256 ? 1 : 99'991) {
    const std::vector<char> exact(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(parse_gguf(as_bytes({exact.data(), size}), "m.gguf").has_value()) << size;
  }
}

}  // namespace
}  // namespace sluice::runtime
