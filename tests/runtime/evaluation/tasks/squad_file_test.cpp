// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/squad_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

constexpr const char* kFile = R"({"version": "v2.0", "data": [{"title": "T", "paragraphs": [
  {"context": "C1", "qas": [
    {"id": "q1", "question": "Q1?", "is_impossible": false,
     "answers": [{"text": "a", "answer_start": 0}, {"text": "b"}, {"text": "a"}]},
    {"id": "q2", "question": "Q2?", "is_impossible": true, "answers": [],
     "plausible_answers": [{"text": "p", "answer_start": 1}]}]},
  {"context": "C2", "qas": [{"id": "q3", "question": "Q3?", "answers": [{"text": "c"}]}]}]}]})";

TEST(SquadFile, ReadsWhatCanBeAnswered) {
  const auto articles = parse_squad(kFile, "x.json");
  ASSERT_TRUE(articles.has_value()) << articles.error().message;
  ASSERT_EQ(articles->size(), 1U);
  const auto& article = articles->front();
  EXPECT_EQ(article.title, "T");
  ASSERT_EQ(article.paragraphs.size(), 2U);
  ASSERT_EQ(article.paragraphs[0].questions.size(), 1U);  // the other one has no answer
  EXPECT_EQ(article.paragraphs[0].questions[0].id, "q1");
  EXPECT_THAT(article.paragraphs[0].questions[0].answers, ElementsAre("a", "b"));
  EXPECT_EQ(article.paragraphs[1].context, "C2");  // version 1.1: without is_impossible
  EXPECT_EQ(article.paragraphs[1].questions[0].question, "Q3?");
}

// The file with one piece of it put in place of another.
std::string error_with(const std::string& from, const std::string& to) {
  std::string text = kFile;
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  const auto articles = parse_squad(text, "x.json");
  return articles ? std::string("no error") : articles.error().message;
}

TEST(SquadFile, NamesThePlaceThatIsWrong) {
  EXPECT_EQ(error_with("\"data\"", "\"date\""), "x.json has no array \"data\"");
  EXPECT_EQ(error_with("\"title\"", "\"tattle\""), "x.json: article 1 has no text \"title\"");
  EXPECT_EQ(error_with("\"C2\"", "2"), "x.json: article 1, paragraph 2 has no text \"context\"");
  EXPECT_EQ(error_with("\"q3\"", "\"q1\""),
            "x.json: article 1, paragraph 2, question 1 has the \"id\" of another one");
  EXPECT_EQ(error_with("[{\"text\": \"c\"}]", "[]"),
            "x.json: article 1, paragraph 2, question 1 can be answered, but has no \"answers\"");
  EXPECT_EQ(error_with("{\"text\": \"c\"}", "\"c\""),
            "x.json: article 1, paragraph 2, question 1: an answer has no text \"text\"");
  EXPECT_EQ(error_with("\"qas\"", "\"qs\""), "x.json: article 1, paragraph 1 has no array \"qas\"");
  EXPECT_EQ(error_with("\"v2.0\"", "v2.0"), "x.json is not JSON at its byte 13");
}

TEST(SquadFile, IsFoundByItsName) {
  const tests::TemporaryFolder folder;
  EXPECT_EQ(load_squad(folder.path()).error().code, ErrorCode::kNotFound);
  folder.write("squad-v2.0-dev.json", kFile);
  EXPECT_TRUE(load_squad(folder.path()).has_value());
  std::filesystem::rename(folder.path() / "squad-v2.0-dev.json", folder.path() / "dev-v2.0.json");
  EXPECT_TRUE(load_squad(folder.path()).has_value());
}

}  // namespace
}  // namespace sluice::runtime
