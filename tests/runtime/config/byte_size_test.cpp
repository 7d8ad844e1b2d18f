// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/byte_size.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

std::size_t bytes_of(std::string_view text) {
  const Result<std::size_t> bytes = parse_byte_size(text);
  EXPECT_TRUE(bytes.has_value()) << text;
  return bytes ? *bytes : ~std::size_t{0};
}

TEST(ByteSize, Suffixes) {
  EXPECT_EQ(bytes_of("0"), 0U);
  EXPECT_EQ(bytes_of("4096"), 4096U);
  EXPECT_EQ(bytes_of("7B"), 7U);
  EXPECT_EQ(bytes_of("2KiB"), 2048U);
  EXPECT_EQ(bytes_of("512MiB"), std::size_t{512} << 20);
  EXPECT_EQ(bytes_of("1GiB"), std::size_t{1} << 30);
  EXPECT_EQ(bytes_of("1TiB"), std::size_t{1} << 40);
  EXPECT_EQ(bytes_of("2KB"), 2000U);
  EXPECT_EQ(bytes_of("3MB"), 3'000'000U);
  EXPECT_EQ(bytes_of("3GB"), 3'000'000'000U);
  EXPECT_EQ(bytes_of("1TB"), 1'000'000'000'000U);
}

TEST(ByteSize, BlanksCaseAndFractions) {
  EXPECT_EQ(bytes_of("1 gib"), std::size_t{1} << 30);
  EXPECT_EQ(bytes_of("1.5GiB"), std::size_t{3} << 29);
  EXPECT_EQ(bytes_of("0.5 KB"), 500U);
}

TEST(ByteSize, Refused) {
  for (const char* text : {"", "GiB", "-1", "-1GiB", "1.5", "1G", "1GiBs", "1 2", "nan", "inf",
                           "1e30", "99999999TiB", "0x10", " 1"}) {
    EXPECT_FALSE(parse_byte_size(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sluice::runtime
