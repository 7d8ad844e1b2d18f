// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/frame_format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/pipeline/frame.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

FrameHeader full_header() {
  FrameHeader header;
  header.model_fingerprint = 0x1122334455667788U;
  header.profile_hash = 5;
  header.rope_hash = 6;
  header.pipeline = "best";
  header.layers = 80;
  header.kv_heads = 8;
  header.head_dim = 128;
  header.layer_first = 79;
  header.layer_count = 1;
  header.first_token = 3;
  header.last_token = 1003;
  return header;
}

// A frame without payload.
std::vector<std::byte> empty_frame(FrameHeader header) {
  ByteWriter writer;
  write_header(header, writer);
  StageList().write(writer);
  write_level_set(std::vector<std::uint8_t>(1000, 0), writer);
  header.frame_bytes = writer.bytes().size() + kChecksumBytes;
  writer.put(std::uint64_t{0});
  auto bytes = writer.take();
  patch_header(header, bytes.data());
  return bytes;
}

TEST(FrameFormat, TheHeaderComesBack) {
  const auto bytes = empty_frame(full_header());
  const auto parts = take_apart(bytes);
  ASSERT_TRUE(parts) << parts.error().message;
  const FrameHeader expected = full_header();
  EXPECT_EQ(parts->version, kFrameVersionWhole);
  EXPECT_EQ(parts->header.model_fingerprint, expected.model_fingerprint);
  EXPECT_EQ(parts->header.profile_hash, 5U);
  EXPECT_EQ(parts->header.rope_hash, 6U);
  EXPECT_EQ(parts->header.pipeline, "best");
  EXPECT_EQ(parts->header.layers, 80);
  EXPECT_EQ(parts->header.layer_first, 79);
  EXPECT_EQ(parts->header.first_token, 3);
  EXPECT_EQ(parts->header.last_token, 1003);
  EXPECT_FALSE(parts->header.is_raw);
  EXPECT_TRUE(parts->payload.empty());
  EXPECT_TRUE(parts->directory.empty());
}

// The bytes of version 1, as docs/wire_format.md has them.
TEST(FrameFormat, FieldsAreWhereTheDocumentSays) {
  const auto bytes = empty_frame(full_header());
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_EQ(text.substr(0, 4), "SLKV");
  EXPECT_EQ(text.substr(4, 4), std::string("\x01\x00\x0c\x01", 4));
  EXPECT_EQ(text.substr(20, 8), "\x88\x77\x66\x55\x44\x33\x22\x11");
  EXPECT_EQ(text.substr(28, 4), std::string("\x50\x00\x08\x00", 4));
  EXPECT_EQ(text.substr(62, 5),
            "\x04"
            "best");
  EXPECT_EQ(bytes.size(), 67U + 1 + 2 + 8);
}

TEST(FrameFormat, StagesOfFourAndSomeSetsStayUnderTheOverhead) {
  const auto list = StageList::from_spec(
      {"best", "", {{"unrope", {}}, {"rtn", {{"bits", 3.0}, {"group", 64.0}}}}});
  ASSERT_TRUE(list);
  EXPECT_LT(frame_overhead_max(*list, 12, 0, 1), 150U);
}

TEST(FrameFormat, NewerVersionsAndForeignBytesAreTold) {
  auto bytes = empty_frame(full_header());
  bytes[4] = std::byte{9};
  const auto newer = take_apart(bytes);
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(newer.error().message, HasSubstr("version 9"));
  bytes[0] = std::byte{'X'};
  const auto foreign = take_apart(bytes);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(take_apart({}));
}

TEST(FrameFormat, ImpossibleHeadersAreCorrupt) {
  const auto refused = [](auto change) {
    FrameHeader header = full_header();
    change(header);
    const auto parts = take_apart(empty_frame(header));
    return !parts && parts.error().code == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(refused([](FrameHeader& header) { header.layers = 0; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.head_dim = 0; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.layer_first = 80; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.layer_count = 0; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.first_token = 1004; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.last_token = 0x80000000; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.directory_bytes = 1; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.has_head_sets = true; }));
  FrameHeader wide = full_header();
  wide.layers = 70000;
  EXPECT_FALSE(check_fits(wide));
  EXPECT_TRUE(check_fits(full_header()));
}

// So that the few bytes of a header never become gigabytes.
TEST(FrameFormat, MoreLayersAndHeadsThanAnyModelHasAreRefused) {
  FrameHeader header = full_header();
  header.layers = 65535;
  header.layer_first = 0;
  header.layer_count = 256;
  header.kv_heads = 256;
  EXPECT_TRUE(take_apart(empty_frame(header)));
  EXPECT_TRUE(check_fits(header));
  header.layer_count = 257;
  EXPECT_FALSE(take_apart(empty_frame(header)));
  EXPECT_FALSE(check_fits(header));
}

TEST(FrameFormat, WhatWasReadStaysWhateverHappensToTheBytes) {
  FrameHeader header = full_header();
  ByteWriter writer;
  write_header(header, writer);
  StageList().write(writer);
  std::vector<std::uint8_t> levels(1000, 1);
  std::fill(levels.begin() + 300, levels.end(), std::uint8_t{2});
  write_level_set(levels, writer);
  writer.put(std::uint32_t{7});  // a payload
  header.frame_bytes = writer.bytes().size() + kChecksumBytes;
  writer.put(std::uint64_t{0});
  auto bytes = writer.take();
  patch_header(header, bytes.data());
  const auto parts = take_apart(bytes);
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->payload.size(), 4U);
  EXPECT_EQ(parts->payload.data(), bytes.data() + bytes.size() - kChecksumBytes - 4);
  std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  EXPECT_EQ(parts->sets[0].count(1), 300);
  EXPECT_EQ(parts->sets[0].count(2), 700);
}

TEST(FrameFormat, RotationsAreToldApart) {
  RopeAngles angles{{1.0, 0.5}, 1.0, false};
  EXPECT_EQ(rope_hash({}), 0U);
  const std::uint64_t hash = rope_hash(angles);
  EXPECT_NE(hash, 0U);
  angles.is_interleaved = true;
  EXPECT_NE(rope_hash(angles), hash);
  angles = {{1.0, 0.5}, 1.1, false};
  EXPECT_NE(rope_hash(angles), hash);
  angles = {{1.0, 0.25}, 1.0, false};
  EXPECT_NE(rope_hash(angles), hash);
}

}  // namespace
}  // namespace sluice::kernels
