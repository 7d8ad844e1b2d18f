// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/hotpotqa_items.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

constexpr const char* kPairs =
    R"([{"_id": "h1", "question": "Same?", "answer": "yes",
         "context": [["T1", ["One.", " Two."]], ["T2", ["Three."]]]}])";
constexpr const char* kColumns =
    R"([{"question": "Same?", "answer": "yes",
         "context": {"title": ["T1", "T2"], "sentences": [["One.", " Two."], ["Three."]]}}])";

TEST(HotpotqaItems, ReadParagraphsWithTitlesInBothForms) {
  for (const char* text : {kPairs, kColumns}) {
    const auto items = parse_hotpotqa(text, "x.json");
    ASSERT_TRUE(items.has_value()) << items.error().message;
    ASSERT_EQ(items->size(), 1U);
    const auto& item = items->front();
    EXPECT_EQ(item.task, "hotpotqa");
    EXPECT_EQ(item.prompt, "T1\nOne. Two.\n\nT2\nThree.\n\nAnswer in a few words. Same?");
    EXPECT_EQ(item.question, "Answer in a few words. Same?");
    EXPECT_THAT(item.answers, ElementsAre("yes"));
    EXPECT_EQ(item.id, text == kPairs ? "h1" : "1");
  }
}

std::string error_with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  const auto items = parse_hotpotqa(text, "x.json");
  return items ? std::string("no error") : items.error().message;
}

TEST(HotpotqaItems, NameTheQuestionThatIsWrong) {
  const std::string context =
      "x.json: question 1: \"context\" is no list of titles with their sentences";
  EXPECT_EQ(error_with(kPairs, "\"T1\", ", ""), context);
  EXPECT_EQ(error_with(kPairs, "\"T1\"", "1"), context);
  EXPECT_EQ(error_with(kPairs, "\"One.\"", "1"), context);
  EXPECT_EQ(error_with(kPairs, "\"context\"", "\"c\""), context);
  EXPECT_EQ(error_with(kColumns, "\"T1\", ", ""), context);
  EXPECT_EQ(error_with(kColumns, "\"title\"", "\"t\""),
            "x.json: question 1 has no array \"title\"");
  EXPECT_EQ(error_with(kPairs, "\"yes\"", "true"), "x.json: question 1 has no text \"answer\"");
  EXPECT_EQ(error_with(kPairs, "\"h1\"", "\"h 1\""),
            "x.json: question 1: \"_id\" is not 1 to 64 printable ASCII characters without spaces");
  const std::string one = std::string(kPairs).substr(1, std::string(kPairs).size() - 2);
  EXPECT_EQ(error_with("[" + one + "," + one + "]", "[{", "[{"),
            "x.json: question 2 has the \"_id\" of another one");
  EXPECT_EQ(error_with("[1]", "1", "1"), "x.json: question 1 is not an object");
  EXPECT_EQ(error_with("{}", "{}", "{}"), "x.json: is no list of questions");
  EXPECT_EQ(error_with(R"([{"question": "Q", "answer": "a", "context": []}])", "Q", "Q"),
            "x.json: question 1: \"context\" is empty");
}

}  // namespace
}  // namespace sluice::runtime
