// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/triviaqa_items.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using testing::ElementsAre;

std::string line(const std::string& id, const std::string& answers) {
  return "{\"id\": \"" + id + "\", \"question\": \"Where?\", \"answers\": " + answers +
         ", \"context\": \"It is in the Cotswolds of England.\"}\n";
}

TEST(TriviaqaItems, AskThePassage) {
  const auto items = parse_triviaqa(line("t1", R"(["Cotswolds"])"), "x.jsonl");
  ASSERT_TRUE(items.has_value()) << items.error().message;
  ASSERT_EQ(items->size(), 1U);
  EXPECT_EQ(items->front().task, "triviaqa");
  EXPECT_EQ(items->front().id, "t1");
  EXPECT_EQ(items->front().prompt,
            "It is in the Cotswolds of England.\n\nAnswer in a few words. Where?");
  EXPECT_EQ(items->front().question, "Answer in a few words. Where?");
}

TEST(TriviaqaItems, TheAliasThatThePassageHoldsComesFirst) {
  const auto items = parse_triviaqa(line("t1", R"(["Hills", "England", "Cotswolds"])") + "\n" +
                                        line("t2", R"(["Hills", "COTSWOLDS"])") +
                                        line("t3", R"(["Hills", "Dales"])"),
                                    "x.jsonl");
  ASSERT_TRUE(items.has_value()) << items.error().message;
  ASSERT_EQ(items->size(), 3U);
  EXPECT_THAT((*items)[0].answers, ElementsAre("England", "Hills", "Cotswolds"));
  EXPECT_THAT((*items)[1].answers, ElementsAre("COTSWOLDS", "Hills"));  // letter case aside
  EXPECT_THAT((*items)[2].answers, ElementsAre("Hills", "Dales"));      // none: as they are
}

TEST(TriviaqaItems, NameTheLineThatIsWrong) {
  const auto message = [](const std::string& text) {
    const auto items = parse_triviaqa(text, "x.jsonl");
    return items ? std::string("no error") : items.error().message;
  };
  const std::string good = line("t1", R"(["a"])");
  EXPECT_EQ(message(good + "\n{]"), "x.jsonl: line 3 is not JSON at its byte 2");
  EXPECT_EQ(message(good + "[]"), "x.jsonl: line 2 has no text \"id\"");
  EXPECT_EQ(message(good + good), "x.jsonl: line 2 has the \"id\" of another line");
  EXPECT_EQ(message(line("t1", "[]")), "x.jsonl: line 1: \"answers\" is empty");
  EXPECT_EQ(message(" \n"), "x.jsonl: has no questions");
}

}  // namespace
}  // namespace sluice::runtime
