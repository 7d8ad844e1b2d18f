// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/safetensors_parser.hpp"

#include <gmock/gmock.h>

#include <vector>

#include "tests/support/safetensors_builder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using tests::safetensors_file;

// Parses a copy on the heap of exactly the file's size, so that a sanitizer sees any step outside.
Result<SafetensorsContents> parse(const std::string& file) {
  const std::vector<char> exact(file.begin(), file.end());
  return parse_safetensors(as_bytes({exact.data(), exact.size()}), "m.safetensors");
}

void expect_corrupt(const std::string& file, const char* part) {
  const auto contents = parse(file);
  ASSERT_FALSE(contents.has_value()) << "expected: " << part;
  EXPECT_EQ(contents.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(contents.error().message, StartsWith("m.safetensors: "));
  EXPECT_THAT(contents.error().message, HasSubstr(part));
}

// A header of one tensor "t" with these members, padded, before `data_bytes` of data.
std::string one_tensor(const std::string& members, std::size_t data_bytes = 8) {
  std::string header = R"({"t":{)" + members + "}}";
  header.append((8 - header.size() % 8) % 8, ' ');
  return safetensors_file(header, std::string(data_bytes, 'x'));
}

TEST(SafetensorsParser, ReadsTensors) {
  tests::SafetensorsBuilder builder;
  builder.tensor_f32("a", {2, 3}, {0, 1, 2, 3, 4, 5});
  builder.tensor("b", "BF16", {4}, std::string(8, 'b')).tensor("h", "F16", {}, "hh");
  builder.tensor("i", "I64", {0}, "").tensor("f8", "F8_E4M3", {2}, "qq");
  const std::string file = builder.build();
  const auto contents = parse_safetensors(as_bytes(file), "m.safetensors");
  ASSERT_TRUE(contents.has_value()) << contents.error().message;
  const auto a = contents->at("a").view;
  ASSERT_TRUE(a.has_value());
  EXPECT_EQ(a->rank, 2);
  EXPECT_EQ(a->shape[1], 3);
  EXPECT_EQ(a->as<float>()[5], 5.0F);
  EXPECT_EQ(contents->at("b").view->dtype, DType::kBF16);
  EXPECT_EQ(contents->at("h").view->dtype, DType::kF16);
  EXPECT_EQ(contents->at("h").view->elements(), 1);
  EXPECT_FALSE(contents->at("i").view.has_value());
  EXPECT_EQ(contents->at("f8").type, "F8_E4M3");
}

TEST(SafetensorsParser, MetadataAndUnknownMembersAreSkipped) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8],)"
      R"("note":{"a":[1]}}})";
  const auto contents = parse(
      safetensors_file(header + std::string(8 - header.size() % 8, ' '), std::string(8, '\0')));
  ASSERT_TRUE(contents.has_value()) << contents.error().message;
  EXPECT_EQ(contents->size(), 1U);
}

TEST(SafetensorsParser, LyingHeaderLengthsAreRefused) {
  expect_corrupt("", "has only 0 bytes");
  expect_corrupt("1234567", "has only 7 bytes");
  expect_corrupt(safetensors_file("{}", "", 100'000'000), "claims 100000000 bytes; less than");
  expect_corrupt(safetensors_file("{}", "", ~std::uint64_t{0}), "less than 100000000 are allowed");
  expect_corrupt(safetensors_file("{}", "", 3), "but the file has only 2 after its length");
  expect_corrupt(safetensors_file("{}", "", 0), "is not valid JSON");
  expect_corrupt(safetensors_file("{}", "", 1), "is not valid JSON");
}

TEST(SafetensorsParser, WrongHeadersAreRefused) {
  expect_corrupt(safetensors_file("[]", ""), "not a JSON object");
  expect_corrupt(safetensors_file(R"({"t":1})", ""), "'t' is not an object");
  expect_corrupt(one_tensor(R"("shape":[2],"data_offsets":[0,8])"), "lacks its dtype");
  expect_corrupt(one_tensor(R"("dtype":"F32","data_offsets":[0,8])"), "lacks its dtype, shape");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[2])"), "lacks its dtype, shape");
  expect_corrupt(one_tensor(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), "'dtype'");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), "'shape'");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[2],"shape":[1],"data_offsets":[0,8])"),
                 "that is not one array");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"),
                 "something else than sizes");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[2.5],"data_offsets":[0,8])"),
                 "something else than sizes");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])"),
                 "too long");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "not a pair");
}

TEST(SafetensorsParser, WrongOffsetsAreRefused) {
  ASSERT_TRUE(parse(one_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])")).has_value());
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"),
                 "ends before it begins");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[4,12])"),
                 "ends at byte 12 of the data, but the file has 8");
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
                 "has 8 bytes of data, but its shape and type 'F32' want 12");
  expect_corrupt(
      one_tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
      "overflow");
  // 2^61 elements of four bytes: their size in bits is zero modulo 2^64.
  expect_corrupt(one_tensor(R"("dtype":"F32","shape":[2305843009213693952],"data_offsets":[0,0])"),
                 "overflow");
}

TEST(SafetensorsParser, OverlapAndDuplicatesAreRefused) {
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::string b = R"("b":{"dtype":"F16","shape":[2],"data_offsets":[2,6]})";
  expect_corrupt(safetensors_file("{" + a + "," + b + "} ", "xxxxxxxx"), "overlap");
  expect_corrupt(safetensors_file("{" + a + "," + a + "} ", "xxxxxxxx"), "appears twice");
}

TEST(SafetensorsParser, UnalignedDataIsUnsupported) {
  std::string header = R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  while (header.size() % 4 != 1) header += ' ';
  // In a file the data starts at a multiple of 8 plus the header's size.
  const std::string file = safetensors_file(header, std::string(8, 'x'));
  const auto contents = parse_safetensors(as_bytes(file), "m.safetensors");
  ASSERT_FALSE(contents.has_value());
  EXPECT_EQ(contents.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(contents.error().message, HasSubstr("not aligned"));
}

TEST(SafetensorsParser, EveryTruncationIsRefused) {
  tests::SafetensorsBuilder builder;
  builder.tensor_f32("a", {2, 3}, {0, 1, 2, 3, 4, 5}).tensor_f32("b", {1}, {1});
  const std::string file = builder.build();
  ASSERT_TRUE(parse(file).has_value());
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(parse(file.substr(0, size)).has_value()) << size;
  }
}

}  // namespace
}  // namespace sluice::runtime
