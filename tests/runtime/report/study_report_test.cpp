// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runtime/report/study_support.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(StudyReport, ASectionAsksShowsAndSaysWhatCameOfIt) {
  Study study = made_up_study();
  study.charts = {StudyChart::kPareto, StudyChart::kHeatMap};
  const ReportSection section = study_section(study, made_up_outcomes(), "pictures");
  EXPECT_EQ(section.name, "1-made_up");
  EXPECT_THAT(section.markdown, StartsWith("## Does `best` lose less?\n\nWhat *others* say.\n\n"));
  EXPECT_THAT(section.markdown, HasSubstr("### At equal bytes\n\n"));
  EXPECT_TRUE(section.markdown.ends_with("### What came of it\n\nIt does.\n"));
  ASSERT_EQ(section.pictures.size(), 2U + 4U);
  for (const auto& [file, svg] : section.pictures) {
    EXPECT_THAT(section.markdown, HasSubstr("](pictures/" + file + ")"));
    EXPECT_THAT(svg, StartsWith("<svg "));
  }
  // Large pictures are paragraphs, small ones two in a row.
  EXPECT_THAT(section.markdown, HasSubstr("ratio-kl.svg)\n\n!["));
  EXPECT_THAT(section.markdown, HasSubstr("needle-full-1.svg)\n!["));
  EXPECT_THAT(section.markdown, HasSubstr("needle-int4-1.svg)\n\n!["));
}

TEST(StudyReport, AStudyWithoutOutcomesSaysSo) {
  const ReportSection section = study_section(made_up_study(), {}, "pictures");
  EXPECT_THAT(section.markdown, HasSubstr("Not measured yet."));
  EXPECT_THAT(section.markdown, Not(HasSubstr("It does.")));
  EXPECT_TRUE(section.pictures.empty());
}

}  // namespace
}  // namespace sluice::runtime
