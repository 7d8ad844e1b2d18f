// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/json_data.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/evaluation/tasks/data_file.hpp"

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

Json parsed(const char* text) { return *parse_json_data(text, "x.json"); }

template <class T>
std::string message_of(const Result<T>& result) {
  return result ? std::string("no error") : result.error().message;
}

TEST(JsonData, WhatIsNotJsonIsNamedWithItsPlace) {
  const auto broken = parse_json_data("{\"a\": ]", "x.json");
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(broken.error().message, "x.json is not JSON at its byte 7");
  EXPECT_FALSE(parse_json_data("", "x.json").has_value());
  EXPECT_FALSE(parse_json_data("\"\xff\"", "x.json").has_value());
  EXPECT_EQ(message_of(parse_json_data("[1e999]", "x.json")),
            "x.json holds a value that cannot be read");
}

TEST(JsonData, DeepNestingIsRefusedBeforeItIsBuilt) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_EQ(message_of(parse_json_data(deep, "x.json")),
            "x.json nests deeper than a data set does");
}

TEST(JsonData, MembersOfAnotherKindAreNamed) {
  const Json json = parsed(R"({"n": 1, "t": "text", "e": "", "a": ["x", "y"], "m": ["x", 2]})");
  EXPECT_EQ(*text_member(json, "t", "w"), "text");
  EXPECT_EQ(message_of(text_member(json, "n", "w")), "w has no text \"n\"");
  EXPECT_EQ(message_of(text_member(json, "none", "w")), "w has no text \"none\"");
  EXPECT_EQ(message_of(text_member(json, "e", "w")), "w: \"e\" is empty");
  EXPECT_EQ(message_of(text_member(parsed("[]"), "t", "w")), "w has no text \"t\"");
  EXPECT_EQ((*array_member(json, "a", "w"))->size(), 2U);
  EXPECT_EQ(message_of(array_member(json, "t", "w")), "w has no array \"t\"");
  EXPECT_THAT(*texts_member(json, "a", "w"), ElementsAre("x", "y"));
  EXPECT_EQ(message_of(texts_member(json, "m", "w")), "w: \"m\" holds what is no text");
  EXPECT_EQ(message_of(texts_member(parsed(R"({"a": []})"), "a", "w")), "w: \"a\" is empty");
}

TEST(JsonData, IdsAreShortAndPlain) {
  EXPECT_EQ(*id_member(parsed(R"({"id": "q_1-a"})"), "id", "w"), "q_1-a");
  for (const std::string& id :
       {std::string("a b"), std::string("\\u001b[1m"), std::string("é"), std::string(65, 'x')}) {
    EXPECT_FALSE(id_member(parsed(("{\"id\": \"" + id + "\"}").c_str()), "id", "w").has_value())
        << id;
  }
}

TEST(JsonData, TextsHaveAnEnd) {
  const Json json = {{"t", std::string(kDataTextBytesMax + 1, 'x')}};
  EXPECT_EQ(message_of(text_member(json, "t", "w")), "w: \"t\" is longer than a megabyte");
}

}  // namespace
}  // namespace sluice::runtime
