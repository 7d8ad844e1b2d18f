// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runtime/report/study_support.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class StudyTables : public ::testing::Test {
 protected:
  StudyFigures figures() const { return StudyFigures(study_, outcomes_); }
  void leave_only(const std::string& task) {
    std::erase_if(outcomes_, [&](const Outcome& outcome) { return outcome.task != task; });
  }

  Study study_ = made_up_study();
  std::vector<Outcome> outcomes_ = made_up_outcomes();
};

TEST_F(StudyTables, TheSettingIsTheWholeCaches) {
  EXPECT_EQ(setting_table(figures()),
            "| task | items | tokens of a prompt | score, % | exact, % | NLL, nats a token |\n"
            "|---|---:|---:|---:|---:|---:|\n"
            "| squad | 6 | 700 | 100 | 0 | 2.00 |\n"
            "| needle | 6 | 700 | 100 | 0 | 0.500 |\n");
}

TEST_F(StudyTables, PublishedFiguresStandBesideOurs) {
  EXPECT_EQ(overall_table(figures()),
            "| pipeline | ratio | bits | KL, nats a token | top-1, % | NLL, % | score, % of the "
            "whole cache's | published, % | ours less theirs |\n"
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
            "| 4 bits \\| plain | 4.00 | 4.00 | 0.200 | 80.0 | +50.0 | 50.0 | 80.0 | -30.0 |\n"
            "| best@4 | 4.00 | 4.00 | 0.0100 | 99.0 | +0 | 100 | \xE2\x80\x93 | \xE2\x80\x93 |\n"
            "| best@16 | 16.0 | 1.00 | 0.0400 | 96.0 | +10.0 | 90.0 | \xE2\x80\x93 | \xE2\x80\x93 "
            "|\n");
}

TEST_F(StudyTables, WithoutPublishedFiguresThereIsNoColumnForThem) {
  study_.pipelines[0].published = {{"squad", 72.2}};  // not over all tasks
  EXPECT_THAT(overall_table(figures()), Not(HasSubstr("published")));
}

TEST_F(StudyTables, TasksAreColumns) {
  EXPECT_THAT(score_table(figures()), HasSubstr("| pipeline | squad | needle | all |\n"));
  EXPECT_THAT(score_table(figures()),
              HasSubstr("| 4 bits \\| plain | 50.0 (72.2) | 50.0 | 50.0 (80.0) |\n"));
  EXPECT_THAT(likelihood_table(figures()), HasSubstr("| best@16 | +10.0 | +10.0 | +10.0 |\n"));
}

TEST_F(StudyTables, ASingleTaskIsNotSaidTwice) {
  leave_only("squad");
  EXPECT_EQ(score_table(figures()), "");
  EXPECT_EQ(likelihood_table(figures()), "");
  EXPECT_EQ(length_table(figures()), "");
}

TEST_F(StudyTables, LengthsAreColumnsWithTheWholeCacheFirst) {
  const std::string table = length_table(figures());
  EXPECT_THAT(table, HasSubstr("| pipeline | measure | 512 | 1024 |\n"));
  EXPECT_THAT(table, HasSubstr("| the whole cache | score, % | 100 | 100 |\n"));
  EXPECT_THAT(table, HasSubstr("| 4 bits \\| plain | KL | 0.200 | 0.200 |\n"));
  EXPECT_THAT(table, HasSubstr("|  | NLL, % | +50.0 | +50.0 |\n"));
}

}  // namespace
}  // namespace sluice::runtime
