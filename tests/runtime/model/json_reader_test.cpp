// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/json_reader.hpp"

#include <gmock/gmock.h>

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Printer {
  std::string operator()(JsonObject) const { return "{"; }
  std::string operator()(JsonArray) const { return "["; }
  std::string operator()(JsonNull) const { return "null"; }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const { return "double " + std::to_string(number); }
  std::string operator()(const std::string& text) const { return "\"" + text + "\""; }
};

Result<std::vector<std::string>> visits(std::string_view text) {
  std::vector<std::string> list;
  const auto status =
      read_json(as_bytes(text), "j.json", [&](const JsonPath& path, const JsonValue& value) {
        std::string line;
        for (const auto& part : path) line += part + "/";
        list.push_back(line + " " + std::visit(Printer{}, value));
        return Status();
      });
  if (!status) return status.error();
  return list;
}

TEST(JsonReader, VisitsEveryValueWithItsPath) {
  const auto list = visits(
      R"({"a": 1, "b": {"c": [true, "x", {"d": null}], "e": -2.5}, "f": 18446744073709551615})");
  ASSERT_TRUE(list.has_value()) << list.error().message;
  EXPECT_THAT(*list, ElementsAre(" {", "a/ 1", "b/ {", "b/c/ [", "b/c/[]/ true", "b/c/[]/ \"x\"",
                                 "b/c/[]/ {", "b/c/[]/d/ null", "b/e/ double -2.500000",
                                 "f/ double 18446744073709551616.000000"));
}

TEST(JsonReader, BadTextIsNamedWithItsPlace) {
  EXPECT_EQ(visits(R"({"a": 1,})").error().message, "j.json: is not valid JSON at byte 9");
  EXPECT_EQ(visits("").error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(visits(R"({"a": 1} more)").has_value());
  EXPECT_FALSE(visits("{\"a\": \"\xff\"}").has_value());
  EXPECT_FALSE(visits(R"({"a": 1e999})").has_value());
}

TEST(JsonReader, DeepNestingIsRefused) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(visits(deep).error().message, HasSubstr("nested too deeply"));
}

TEST(JsonReader, TheVisitorsErrorEndsIt) {
  int calls = 0;
  const auto status = read_json(as_bytes("[1, 2, 3]"), "j", [&](const auto&, const auto&) {
    return ++calls == 2 ? Status(make_error(ErrorCode::kUnsupported, "enough")) : Status();
  });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "enough");
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace sluice::runtime
