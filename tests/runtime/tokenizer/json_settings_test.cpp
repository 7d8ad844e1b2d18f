// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/tokenizer/json_vocabulary.hpp"
#include "tests/runtime/tokenizer/json_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;

TokenizerData base() { return read_json_vocabulary(byte_level_json().dump()).value(); }

TEST(JsonSettings, EveryFileMayBeMissing) {
  const TokenizerFolder folder;
  TokenizerData data = base();
  ASSERT_TRUE(read_json_settings(folder.path(), data));
  EXPECT_EQ(data.bos, std::nullopt);
  EXPECT_EQ(data.chat_template, "");
}

TEST(JsonSettings, ReadsTheConfig) {
  const TokenizerFolder folder;
  folder.write("tokenizer_config.json",
               R"({"bos_token": {"content": "<bos>"}, "eos_token": "he", "chat_template": "T"})");
  folder.write("generation_config.json", R"({"eos_token_id": [258, 257]})");
  TokenizerData data = base();
  ASSERT_TRUE(read_json_settings(folder.path(), data));
  EXPECT_EQ(data.bos, 259);
  EXPECT_THAT(data.end_of_text, ElementsAre(258, 256, 257));
  EXPECT_EQ(data.chat_template, "T");
}

TEST(JsonSettings, AnOwnTemplateFileCounts) {
  const TokenizerFolder folder;
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "tool_use", "template": "U"},
                                     {"name": "default", "template": "T"}]})");
  TokenizerData data = base();
  ASSERT_TRUE(read_json_settings(folder.path(), data));
  EXPECT_EQ(data.chat_template, "T");
  folder.write("chat_template.jinja", "J");
  ASSERT_TRUE(read_json_settings(folder.path(), data));
  EXPECT_EQ(data.chat_template, "J");
}

TEST(JsonSettings, AddsBosWhenNoTemplateDoes) {
  const TokenizerFolder folder;
  folder.write("tokenizer_config.json", R"({"bos_token": "<bos>", "add_bos_token": true})");
  TokenizerData data = base();
  ASSERT_TRUE(read_json_settings(folder.path(), data));
  EXPECT_THAT(data.prefix, ElementsAre(259));  // the post-processor's, once
  data.prefix.clear();
  ASSERT_TRUE(read_json_settings(folder.path(), data));
  EXPECT_THAT(data.prefix, ElementsAre(259));
}

TEST(JsonSettings, WrongKindsAreCorrupt) {
  for (const char* text : {"{", R"({"bos_token": 3})", R"({"chat_template": [1]})"}) {
    const TokenizerFolder folder;
    folder.write("tokenizer_config.json", text);
    TokenizerData data = base();
    const auto status = read_json_settings(folder.path(), data);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  }
}

TEST(JsonSettings, FilesHaveABound) {
  const TokenizerFolder folder;
  folder.write("a", "12345");
  EXPECT_EQ(read_text_file(folder.path() / "a", 5).value(), "12345");
  EXPECT_EQ(read_text_file(folder.path() / "a", 4).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read_text_file(folder.path() / "b", 4).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::runtime
