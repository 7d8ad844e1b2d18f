// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/answer_score.hpp"

#include <gtest/gtest.h>

#include "runtime/evaluation/tasks.hpp"
#include "tests/runtime/evaluation/answer_score_cases.hpp"

namespace sluice::runtime {
namespace {

EvaluationItem item_of(const std::string& task, const std::vector<std::string>& answers) {
  EvaluationItem item;
  item.task = task;
  item.answers = answers;
  return item;
}

// By the row of the task table: which function a task has is tested with it.
double table_score(const EvaluationItem& item, std::string_view said) {
  return (*find_task(item.task))->score(item, said);
}

TEST(AnswerScore, IsThatOfTheOfficialRules) {
  ASSERT_GE(kAnswerScoreCases.size(), 30U);
  for (const auto& one : kAnswerScoreCases) {
    const auto item = item_of(one.task, one.answers);
    const std::string what =
        std::string(one.task) + ": " + one.answers[0] + " <- " + std::string(one.said);
    EXPECT_DOUBLE_EQ(table_score(item, one.said), one.score) << what;
    EXPECT_DOUBLE_EQ(exact_match(item, one.said), one.exact_match) << what;
  }
}

TEST(AnswerScore, NormalForms) {
  EXPECT_EQ(squad_normal_form(" The  U.S. Army's\tan A-team "), "us armys ateam");
  EXPECT_EQ(triviaqa_normal_form(" The_U.S. Army’s\tan A-team "), "u s army s team");
  EXPECT_EQ(squad_normal_form("‘quoted’ — dash"), "‘quoted’ — dash");
  EXPECT_EQ(triviaqa_normal_form("‘quoted’ — dash"), "quoted — dash");
  EXPECT_EQ(squad_normal_form("the a an"), "");
}

TEST(AnswerScore, BytesThatAreNoTextAreKeptAndCompared) {
  EXPECT_EQ(squad_normal_form("\xff The \xc3"), "\xff \xc3");
  EXPECT_EQ(squad_score(item_of("squad", {"\xff x"}), "x"), 2.0 / 3.0);
  EXPECT_EQ(triviaqa_normal_form("a\x80"), "\x80");
}

TEST(AnswerScore, AChoiceIsRightOrNot) {
  auto item = item_of("mmlu", {" B"});
  item.choices = {" A", " B", " C", " D"};
  for (const char* said : {" B", "B", "B\n"}) {
    EXPECT_EQ(table_score(item, said), 1.0) << said;
    EXPECT_EQ(exact_match(item, said), 1.0) << said;
  }
  for (const char* said : {" A", "", " b", "B. because"}) {
    EXPECT_EQ(table_score(item, said), 0.0) << said;
    EXPECT_EQ(exact_match(item, said), 0.0) << said;
  }
}

TEST(AnswerScore, AnItemWithoutAnswersIsNeverRight) {
  for (const char* task : {"triviaqa", "hotpotqa", "mmlu", "needle"}) {
    EXPECT_EQ(table_score(item_of(task, {}), "x"), 0.0) << task;
  }
  EXPECT_EQ(squad_score(item_of("squad", {}), "x"), 0.0);
  EXPECT_EQ(squad_score(item_of("squad", {}), "the"), 1.0);  // nothing is the right answer
}

}  // namespace
}  // namespace sluice::runtime
