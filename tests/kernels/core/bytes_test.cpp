// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/bytes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice {
namespace {

TEST(Bytes, WhatIsWrittenIsRead) {
  ByteWriter writer;
  writer.put(std::uint16_t{0x1234});
  writer.put_string("sluice");
  const std::array<std::int32_t, 3> numbers{1, -2, 3};
  writer.put_array(std::span<const std::int32_t>(numbers));

  ByteReader reader(writer.bytes());
  EXPECT_EQ(reader.get<std::uint16_t>().value(), 0x1234);
  EXPECT_EQ(reader.get_string().value(), "sluice");
  EXPECT_EQ(reader.get_array<std::int32_t>().value(), (std::vector<std::int32_t>{1, -2, 3}));
  EXPECT_EQ(reader.remaining(), 0U);
}

TEST(Bytes, FieldsAreLittleEndian) {
  ByteWriter writer;
  writer.put(std::uint32_t{0x01020304});
  EXPECT_EQ(writer.bytes(), (std::vector<std::byte>{std::byte{4}, std::byte{3}, std::byte{2},
                                                    std::byte{1}}));
}

TEST(Bytes, EveryTruncationIsAnError) {
  ByteWriter writer;
  writer.put(std::uint64_t{1});
  writer.put_string("abc");
  const std::vector<std::byte>& whole = writer.bytes();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    ByteReader reader(Bytes(whole).first(length));
    const Result<std::uint64_t> number = reader.get<std::uint64_t>();
    if (!number) {
      EXPECT_EQ(number.error().code, ErrorCode::kCorrupt);
      continue;
    }
    const Result<std::string> text = reader.get_string();
    ASSERT_FALSE(text) << length;
    EXPECT_EQ(text.error().code, ErrorCode::kCorrupt);
  }
}

TEST(Bytes, BytesAreTakenInPlaceAndNeverBeyondTheEnd) {
  ByteWriter writer;
  writer.put_bytes(as_bytes("abcde"));
  EXPECT_EQ(writer.bytes().size(), 5U);
  ByteReader reader(writer.bytes());
  const Result<Bytes> taken = reader.get_bytes(2);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->data(), writer.bytes().data());
  EXPECT_EQ(reader.rest().data(), writer.bytes().data() + 2);
  EXPECT_FALSE(reader.get_bytes(4));
  EXPECT_EQ(reader.rest().size(), 3U);
}

TEST(Bytes, ALyingCountAllocatesNothing) {
  ByteWriter writer;
  writer.put(std::uint32_t{0xffffffffU});
  ByteReader reader(writer.bytes());
  EXPECT_FALSE(reader.get_array<std::uint64_t>());
}

}  // namespace
}  // namespace sluice
