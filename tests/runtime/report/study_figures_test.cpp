// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_figures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/runtime/report/study_support.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> labels(const StudyFigures& figures) {
  std::vector<std::string> found;
  for (const StudyRow& row : figures.rows()) found.push_back(row.label);
  return found;
}

TEST(StudyFigures, RowsAreTheStudysMeasuredPipelines) {
  Study study = made_up_study();
  study.pipelines.push_back({});
  study.pipelines.back().spec.name = "not_measured";
  const std::vector<Outcome> outcomes = made_up_outcomes();
  const StudyFigures figures(study, outcomes);
  EXPECT_THAT(labels(figures), ElementsAre("4 bits | plain", "best@4", "best@16"));
  EXPECT_THAT(figures.tasks(), ElementsAre("squad", "needle"));
  EXPECT_THAT(figures.lengths(), ElementsAre(512, 1024));
  EXPECT_EQ(figures.find("not_of_the_study", kAllTasks), nullptr);
}

TEST(StudyFigures, RowsAreByRatioWhereTheStudyDrawsThemByRatio) {
  Study study = made_up_study();
  std::swap(study.pipelines[0], study.pipelines[2]);
  const std::vector<Outcome> outcomes = made_up_outcomes();
  EXPECT_THAT(labels(StudyFigures(study, outcomes)),
              ElementsAre("best@16", "best@4", "4 bits | plain"));
  study.charts = {StudyChart::kPareto};
  EXPECT_THAT(labels(StudyFigures(study, outcomes)),
              ElementsAre("best@4", "4 bits | plain", "best@16"));
}

TEST(StudyFigures, LevelsOfAPipelineAreAFamily) {
  const Study study = made_up_study();
  const std::vector<Outcome> outcomes = made_up_outcomes();
  const StudyFigures figures(study, outcomes);
  ASSERT_EQ(figures.families().size(), 1U);
  EXPECT_EQ(figures.families()[0].name, "best");
  EXPECT_THAT(figures.families()[0].levels, ElementsAre("best@4", "best@16"));
  EXPECT_TRUE(figures.is_of_family("best@4"));
  EXPECT_FALSE(figures.is_of_family("int4"));
}

TEST(StudyFigures, SummariesAreByTaskAndByLength) {
  const Study study = made_up_study();
  const std::vector<Outcome> outcomes = made_up_outcomes();
  const StudyFigures figures(study, outcomes);
  EXPECT_EQ(figures.find("int4", "squad")->items, 6);
  EXPECT_EQ(figures.find("int4", std::int64_t{512})->items, 3);
  EXPECT_EQ(figures.find("int4", std::int64_t{2048}), nullptr);
}

TEST(StudyFigures, WhatIsPublishedIsFoundByTask) {
  const Study study = made_up_study();
  const std::vector<Outcome> outcomes = made_up_outcomes();
  const StudyFigures figures(study, outcomes);
  EXPECT_TRUE(figures.has_published());
  EXPECT_DOUBLE_EQ(figures.published(figures.rows()[0], "squad"), 72.2);
  EXPECT_TRUE(std::isnan(figures.published(figures.rows()[0], "needle")));
  EXPECT_TRUE(std::isnan(figures.published(figures.rows()[1], "squad")));
}

}  // namespace
}  // namespace sluice::runtime
