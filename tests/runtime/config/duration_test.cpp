// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/duration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

double seconds_of(std::string_view text) {
  const Result<double> seconds = parse_duration_s(text);
  EXPECT_TRUE(seconds.has_value()) << text;
  return seconds ? *seconds : -1.0;
}

std::string error_of(std::string_view text) {
  const Result<double> seconds = parse_duration_s(text);
  return seconds ? "no error" : seconds.error().message;
}

TEST(Duration, Suffixes) {
  EXPECT_EQ(seconds_of("250us"), 250e-6);
  EXPECT_EQ(seconds_of("500ms"), 0.5);
  EXPECT_EQ(seconds_of("2s"), 2.0);
  EXPECT_EQ(seconds_of("1.5 min"), 90.0);
  EXPECT_EQ(seconds_of("24h"), 86400.0);
}

TEST(Duration, Refused) {
  EXPECT_EQ(error_of("soon"), "\"soon\" is not a duration such as 2s or 500ms");
  EXPECT_EQ(error_of("2"), "\"2\" has no unit; write s or ms behind the number");
  EXPECT_EQ(error_of("2 weeks"),
            "\"2 weeks\" ends in \"weeks\", which is not one of us, ms, s, min, h");
  EXPECT_EQ(error_of("25h"), "\"25h\" is more than 24h");
  for (const char* text : {"", "0s", "-1s", "nan", "infs", "1e3s", "s", "1S", "1s2"}) {
    EXPECT_NE(error_of(text), "no error") << text;
  }
}

}  // namespace
}  // namespace sluice::runtime
