// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/report/study_tables.hpp"
#include "tests/runtime/report/study_support.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

TEST(EqualBytesTable, AFamilyIsComparedWithEveryOther) {
  const Study study = made_up_study();
  const std::vector<Outcome> outcomes = made_up_outcomes();
  const std::string table = equal_bytes_table(StudyFigures(study, outcomes));
  EXPECT_THAT(table, HasSubstr("`best` is surely better than 1 of 1 pipelines at equal bytes over "
                               "all tasks, and than 1 on each single task"));
  // 20 times less KL; even best@16 loses less than int4; half of 1.25 nats.
  EXPECT_THAT(table, HasSubstr("| 4 bits \\| plain | 4.00 | 0.200 | 0.0100 | 20 | over 16.0 | "
                               "-0.625 | surely | surely |\n"));
}

TEST(EqualBytesTable, TasksThatSayOtherwiseAreNamed) {
  const Study study = made_up_study();
  std::vector<Outcome> outcomes = made_up_outcomes();
  for (Outcome& outcome : outcomes) {
    if (outcome.pipeline == "int4" && outcome.task == "needle") outcome.kl = 0.02;
    if (outcome.pipeline == "int4" && outcome.task == "squad") outcome.kl = 0.005;
  }
  const std::string table = equal_bytes_table(StudyFigures(study, outcomes));
  EXPECT_THAT(table, HasSubstr("| surely (squad: **no**) |"));
  EXPECT_THAT(table, HasSubstr("than 1 of 1 pipelines at equal bytes over all tasks, and than 0 "
                               "on each"));
}

TEST(EqualBytesTable, WhatLosesNothingOrHasNoFamilyIsNotCompared) {
  Study study = made_up_study();
  std::vector<Outcome> outcomes = made_up_outcomes();
  for (Outcome& outcome : outcomes) {
    if (outcome.pipeline == "int4") outcome.kl = 0.0;
  }
  EXPECT_EQ(equal_bytes_table(StudyFigures(study, outcomes)), "");
  study.pipelines.pop_back();
  outcomes = made_up_outcomes();
  EXPECT_EQ(equal_bytes_table(StudyFigures(study, outcomes)), "");
}

}  // namespace
}  // namespace sluice::runtime
