// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model_config.hpp"

#include <gmock/gmock.h>

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ModelConfig, LooksUpTypedValues) {
  const auto config = ModelConfig::parse(
      as_bytes(R"({"n": 3, "f": 8192.0, "x": 0.5, "yes": true, "t": "hi", "none": null,
                   "list": ["a", 1, "b"], "rope": {"factor": 8, "deep": {"k": 1}},
                   "objects": [{"k": 1}, {"k": 2}]})"),
      "config.json");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(*config->integer("n"), 3);
  EXPECT_EQ(*config->integer("f"), 8192);
  EXPECT_EQ(*config->number("n"), 3.0);
  EXPECT_EQ(*config->boolean("yes"), true);
  EXPECT_EQ(*config->text("t"), "hi");
  EXPECT_EQ(*config->integer("rope.factor"), 8);
  EXPECT_EQ(*config->integer("rope.deep.k"), 1);
  EXPECT_TRUE(config->has_object("rope"));
  EXPECT_FALSE(config->has_object("n"));
  EXPECT_FALSE(config->has("none"));
  EXPECT_EQ(*config->integer_or("none", 5), 5);
  EXPECT_EQ(*config->integer_or("n", 5), 3);
  EXPECT_THAT(config->texts("list"), ElementsAre("a", "b"));
  EXPECT_THAT(config->texts("t"), ElementsAre());
}

TEST(ModelConfig, WrongKindsAreErrors) {
  const auto config = ModelConfig::parse(as_bytes(R"({"t": "3", "x": 0.5, "n": 1})"), "c.json");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->integer("t").error().message, "c.json: the value of 't' is not a whole number");
  EXPECT_EQ(config->integer("x").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(config->integer_or("t", 1).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(config->number_or("t", 1).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(config->boolean_or("n", true).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(config->text_or("n", "").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(config->integer("none").error().message, "c.json: has no key 'none'");
}

TEST(ModelConfig, BadFilesAreErrors) {
  EXPECT_EQ(ModelConfig::parse(as_bytes("[1]"), "c").error().message, "c: is not a JSON object");
  EXPECT_EQ(ModelConfig::parse(as_bytes("3"), "c").error().message, "c: is not a JSON object");
  EXPECT_THAT(ModelConfig::parse(as_bytes(R"({"a": 1, "a": 2})"), "c").error().message,
              HasSubstr("'a' appears twice"));
  EXPECT_THAT(ModelConfig::parse(as_bytes(R"({"a": [], "a": []})"), "c").error().message,
              HasSubstr("'a' appears twice"));
  EXPECT_THAT(ModelConfig::parse(as_bytes("{"), "c").error().message, HasSubstr("not valid JSON"));
}

TEST(ModelConfig, ANullIsToldFromAMissingKey) {
  const std::string text = R"({"a": null, "b": 1, "c": {"d": null}})";
  const auto config = ModelConfig::parse(as_bytes(text), "c.json").value();
  EXPECT_TRUE(config.is_null("a"));
  EXPECT_FALSE(config.has("a"));
  EXPECT_TRUE(config.is_null("c.d"));
  EXPECT_FALSE(config.is_null("b"));
  EXPECT_FALSE(config.is_null("none"));
}

}  // namespace
}  // namespace sluice::runtime
