// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/bit_rate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

double bits_of(std::string_view text) {
  const Result<double> bits = parse_bit_rate(text);
  EXPECT_TRUE(bits.has_value()) << text;
  return bits ? *bits : -1.0;
}

std::string error_of(std::string_view text) {
  const Result<double> bits = parse_bit_rate(text);
  return bits ? "no error" : bits.error().message;
}

TEST(BitRate, Suffixes) {
  EXPECT_EQ(bits_of("64kbit"), 64e3);
  EXPECT_EQ(bits_of("100Mbit"), 100e6);
  EXPECT_EQ(bits_of("10Gbit"), 10e9);
  EXPECT_EQ(bits_of("1.6 Tbit"), 1.6e12);
  EXPECT_EQ(bits_of("2.5 gbit/s"), 2.5e9);
}

TEST(BitRate, Refused) {
  EXPECT_EQ(error_of("fast"), "\"fast\" is not a rate such as 100Mbit or 2.5Gbit");
  EXPECT_EQ(error_of("1000"), "\"1000\" has no unit; write Mbit or Gbit behind the number");
  EXPECT_EQ(error_of("10GB"),
            "\"10GB\" ends in \"GB\", which is not one of kbit, Mbit, Gbit, Tbit (bits per "
            "second)");
  EXPECT_THAT(error_of("10000Tbit"), ::testing::HasSubstr("more than 1000 Tbit"));
  for (const char* text : {"", "0Mbit", "-1Mbit", "nan", "infGbit", "1e9Mbit", "/s", "1/s"}) {
    EXPECT_NE(error_of(text), "no error") << text;
  }
}

}  // namespace
}  // namespace sluice::runtime
