// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/parameters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace sluice::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ParameterRow kRows[] = {
    {"bits", ParameterKind::kInteger, 4, 2, 8},
    {"axis", ParameterKind::kChoice, 0, 0, 1, "token channel"},
    {"is_symmetric", ParameterKind::kBool, 0, 0, 1},
    {"budget", ParameterKind::kNumber, 0.5F, 0, 1},
    {"layers", ParameterKind::kList, 0, 0, 1000},
    {"share", ParameterKind::kNumber, 0.5F, 0.1F, 0.7F},
};

Result<Parameters> parse(const ParameterMap& values) {
  return Parameters::parse("rtn", kRows, values);
}

TEST(Parameters, AreTheDefaultsUnlessGiven) {
  const auto parameters = parse({{"bits", 3.0}});
  ASSERT_TRUE(parameters);
  EXPECT_EQ(parameters->integer("bits"), 3);
  EXPECT_EQ(parameters->choice("axis"), 0);
  EXPECT_FALSE(parameters->flag("is_symmetric"));
  EXPECT_FLOAT_EQ(parameters->number("budget"), 0.5F);
  EXPECT_TRUE(parameters->list("layers").empty());
}

TEST(Parameters, SayWhatIsWrong) {
  const auto message = [](const ParameterMap& values) {
    const auto parsed = parse(values);
    return parsed ? std::string() : parsed.error().message;
  };
  EXPECT_THAT(message({{"bit", 3.0}}), HasSubstr("has no parameter 'bit' (it has: bits, axis"));
  EXPECT_THAT(message({{"bits", 9.0}}), HasSubstr("'bits' must be from 2 to 8"));
  EXPECT_THAT(message({{"bits", 2.5}}), HasSubstr("whole number"));
  EXPECT_THAT(message({{"axis", std::string("row")}}), HasSubstr("one of: token channel"));
  EXPECT_THAT(message({{"axis", 1.0}}), HasSubstr("one of: token channel"));
  EXPECT_THAT(message({{"is_symmetric", 1.0}}), HasSubstr("true or false"));
  EXPECT_THAT(message({{"layers", true}}), HasSubstr("a list of numbers"));
}

TEST(Parameters, MayBeTheBoundsAsWrittenInDecimals) {
  for (const double bound : {0.1, 0.7}) {  // 0.1 < 0.1F, 0.7 > 0.7F
    const auto parameters = parse({{"share", bound}});
    ASSERT_TRUE(parameters) << parameters.error().message;
    EXPECT_EQ(parameters->number("share"), static_cast<float>(bound));
  }
  EXPECT_FALSE(parse({{"share", 0.0999}}));
  EXPECT_FALSE(parse({{"share", 1e300}}));
  EXPECT_FALSE(parse({{"share", std::numeric_limits<double>::quiet_NaN()}}));
  EXPECT_FALSE(parse({{"bits", 8.00000001}}));  // 8 in FP32, but not a whole number
}

TEST(Parameters, SurviveAFrame) {
  const auto parameters = parse(
      {{"axis", std::string("channel")}, {"layers", std::vector<double>{0, 29}}, {"budget", 0.25}});
  ASSERT_TRUE(parameters);
  ByteWriter writer;
  parameters->write(writer);
  EXPECT_EQ(writer.bytes().size(), 1U + 6U + 6U + 10U);
  ByteReader reader(writer.bytes());
  const auto again = Parameters::read("rtn", kRows, reader);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->choice("axis"), 1);
  EXPECT_THAT(again->list("layers"), ElementsAre(0.0F, 29.0F));
  EXPECT_FLOAT_EQ(again->number("budget"), 0.25F);
  EXPECT_EQ(again->integer("bits"), 4);
}

TEST(Parameters, OfAHostileFrameAreRefused) {
  const auto code = [](std::initializer_list<int> bytes) {
    std::vector<std::byte> frame;
    for (const int byte : bytes) frame.push_back(static_cast<std::byte>(byte));
    ByteReader reader(frame);
    const auto read = Parameters::read("rtn", kRows, reader);
    return read ? ErrorCode::kInternal : read.error().code;
  };
  EXPECT_EQ(code({}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({1, 5, 1, 0, 0, 0, 0}), ErrorCode::kCorrupt);        // no such parameter
  EXPECT_EQ(code({1, 0, 1, 0, 0, 0xc0, 0x7f}), ErrorCode::kCorrupt);  // NaN
  EXPECT_EQ(code({1, 0, 0}), ErrorCode::kCorrupt);                    // no number
  EXPECT_EQ(code({1, 0, 1, 0, 0}), ErrorCode::kCorrupt);              // cut short
  EXPECT_EQ(code({1, 0, 1, 0, 0, 0x10, 0x41}), ErrorCode::kCorrupt);  // 9 bits
}

}  // namespace
}  // namespace sluice::kernels
