// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/prompt_lines.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(PromptLines, TextAndIds) {
  const auto prompts = parse_prompt_lines("\"two\\nlines\"\n\n  \r\n[1, 2, 3]");
  ASSERT_TRUE(prompts.has_value()) << prompts.error().message;
  ASSERT_EQ(prompts->size(), 2U);
  EXPECT_EQ((*prompts)[0].text, "two\nlines");
  EXPECT_EQ((*prompts)[1].tokens, (std::vector<TokenId>{1, 2, 3}));
}

TEST(PromptLines, AnObjectNamesItsPipeline) {
  const auto prompts =
      parse_prompt_lines(R"({"prompt": "a", "pipeline": "int4", "question_tokens": 7})"
                         "\n"
                         R"({"prompt": [1, 2]})");
  ASSERT_TRUE(prompts.has_value()) << prompts.error().message;
  ASSERT_EQ(prompts->size(), 2U);
  EXPECT_EQ((*prompts)[0].text, "a");
  EXPECT_EQ((*prompts)[0].pipeline, "int4");
  EXPECT_EQ((*prompts)[0].question_tokens, 7);
  EXPECT_EQ((*prompts)[1].tokens, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ((*prompts)[1].pipeline, "");
  EXPECT_EQ((*prompts)[1].question_tokens, 0);
}

TEST(PromptLines, TheBadLineIsNamed) {
  for (const char* bad :
       {"\"a\"\n{}", "\"a\"\n{\"prompt\": {}}", "\"a\"\n{\"pipeline\": \"raw\"}",
        "\"a\"\n{\"prompt\": \"b\", \"pipeline\": 4}",
        "\"a\"\n{\"prompt\": \"b\", \"question_tokens\": -1}",
        "\"a\"\n{\"prompt\": \"b\", \"pipelines\": \"raw\"}", "\"a\"\n[1, -1]", "\"a\"\n[1.5]",
        "\"a\"\n[4294967296]", "\"a\"\n[]", "\"a\"\n\"\"", "\"a\"\n\"open", "\"a\"\nnull"}) {
    const auto prompts = parse_prompt_lines(bad);
    ASSERT_FALSE(prompts.has_value()) << bad;
    EXPECT_NE(prompts.error().message.find("line 2"), std::string::npos) << prompts.error().message;
  }
  EXPECT_FALSE(parse_prompt_lines("\n\n").has_value());
}

TEST(PromptLines, AnswersAreJsonWhateverTheBytes) {
  const std::string line = answer_line(std::vector<TokenId>{4, 5}, "a\"\n\xff", {});
  EXPECT_EQ(line.find("{\"tokens\":[4,5],\"text\":\"a\\\"\\n\xef\xbf\xbd\",\"timeline\":{"), 0U)
      << line;
  EXPECT_EQ(line.back(), '\n');
}

}  // namespace
}  // namespace sluice::runtime
