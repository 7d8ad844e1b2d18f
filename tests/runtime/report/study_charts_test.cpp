// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_charts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runtime/report/study_support.hpp"
#include "tests/runtime/report/xml_tree.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

class StudyCharts : public ::testing::Test {
 protected:
  std::vector<StudyPicture> pictures(StudyChart chart) {
    study_.charts = {chart};
    return study_pictures(StudyFigures(study_, outcomes_));
  }
  static std::vector<std::string> files(const std::vector<StudyPicture>& pictures) {
    std::vector<std::string> names;
    for (const StudyPicture& picture : pictures) names.push_back(picture.file);
    return names;
  }

  Study study_ = made_up_study();
  std::vector<Outcome> outcomes_ = made_up_outcomes();
};

TEST_F(StudyCharts, RatioPicturesJoinLevelsAndName) {
  const auto list = pictures(StudyChart::kPareto);
  EXPECT_THAT(files(list), ElementsAre("1-made-up-ratio-kl.svg", "1-made-up-ratio-nll.svg"));
  for (const StudyPicture& picture : list) {
    const auto elements = read_xml(picture.svg);
    ASSERT_TRUE(elements.has_value());
    EXPECT_EQ(of_class(*elements, "line").size(), 1U);
    EXPECT_EQ(of_class(*elements, "mark").size(), 2U + 3U);  // the legend's first
    EXPECT_THAT(texts(*elements), IsSupersetOf({"best, by level", "quantizers", "best@4", "best@16",
                                                "4 bits | plain"}));
  }
}

TEST_F(StudyCharts, BarsAreTasksWithPublishedFigures) {
  const auto list = pictures(StudyChart::kBars);
  EXPECT_THAT(files(list), ElementsAre("1-made-up-score.svg"));
  const auto elements = read_xml(list[0].svg);
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "bar").size(), 9U);        // two tasks and all, of three
  EXPECT_EQ(of_class(*elements, "reference").size(), 3U);  // the legend's, squad and all
}

TEST_F(StudyCharts, ManyBarsAreAPictureForEachGroup) {
  for (int i = 0; i < 10; ++i) {
    StudyPipeline pipeline = study_.pipelines[1];
    pipeline.label = "again " + std::to_string(i);
    study_.pipelines.push_back(pipeline);
  }
  EXPECT_THAT(files(pictures(StudyChart::kBars)),
              ElementsAre("1-made-up-score-quantizers.svg", "1-made-up-score-others.svg"));
}

TEST_F(StudyCharts, LengthsAreALineForEachPipeline) {
  const auto list = pictures(StudyChart::kLengths);
  EXPECT_THAT(files(list), ElementsAre("1-made-up-length-kl.svg", "1-made-up-length-nll.svg"));
  const auto elements = read_xml(list[0].svg);
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "line").size(), 3U);
}

TEST_F(StudyCharts, NeedlesAreAMapForEachPipelineAndTheWholeCache) {
  const auto list = pictures(StudyChart::kHeatMap);
  EXPECT_THAT(files(list),
              ElementsAre("1-made-up-needle-full-1.svg", "1-made-up-needle-int4-1.svg",
                          "1-made-up-needle-best-4-1.svg", "1-made-up-needle-best-16-1.svg"));
  const auto elements = read_xml(list[1].svg);
  ASSERT_TRUE(elements.has_value());
  EXPECT_TRUE(list[1].is_small);
  EXPECT_EQ(of_class(*elements, "cell").size(), 4U);  // two lengths, two depths
  EXPECT_THAT(texts(*elements), IsSupersetOf({"512", "1024", "0 %", "100 %", "0.50"}));
}

TEST_F(StudyCharts, WhatOutcomesCannotFillIsLeftOut) {
  std::erase_if(outcomes_, [](const Outcome& outcome) { return outcome.task == "needle"; });
  EXPECT_TRUE(pictures(StudyChart::kLengths).empty());
  EXPECT_TRUE(pictures(StudyChart::kHeatMap).empty());
  outcomes_.clear();
  EXPECT_TRUE(pictures(StudyChart::kPareto).empty());
}

}  // namespace
}  // namespace sluice::runtime
