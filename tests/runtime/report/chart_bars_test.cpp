// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/report/chart.hpp"
#include "tests/runtime/report/xml_tree.hpp"

namespace sluice::runtime {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Not;

BarChart scores() {
  BarChart chart;
  chart.title = "Scores";
  chart.y_title = "% of the full cache's";
  chart.series = {"squad", "needle"};
  chart.reference_name = "survey";
  chart.groups = {{"q2c", {{0, 90, 80, 95, ""}, {0, NAN, {}, {}, ""}}, {85, NAN}},
                  {"h2o <25 %>", {{0, 45, {}, {}, ""}, {0, -10, {}, {}, ""}}, {}}};
  chart.baseline = 100;
  return chart;
}

TEST(ChartBars, ABarIsAsLongAsItsValueAndBeginsAtZero) {
  const auto elements = read_xml(bar_chart_svg(scores()));
  ASSERT_TRUE(elements.has_value());
  const std::vector<XmlElement> bars = of_class(*elements, "bar");
  ASSERT_EQ(bars.size(), 3U);  // the one that is no number is not drawn
  EXPECT_NEAR(bars[0].number("width"), 2 * bars[1].number("width"), 0.05);
  EXPECT_DOUBLE_EQ(bars[0].number("x"), bars[1].number("x"));
  EXPECT_NEAR(bars[2].number("x") + bars[2].number("width"), bars[0].number("x"), 0.05);
}

TEST(ChartBars, BaselineWhiskersAndReferencesLieAtTheirValues) {
  const auto elements = read_xml(bar_chart_svg(scores()));
  ASSERT_TRUE(elements.has_value());
  const XmlElement bar = of_class(*elements, "bar").at(0);
  const double zero = bar.number("x");
  const double one = bar.number("width") / 90;
  EXPECT_NEAR(of_class(*elements, "baseline").at(0).number("x1"), zero + 100 * one, 0.1);
  EXPECT_NEAR(of_class(*elements, "whisker").at(0).number("x1"), zero + 80 * one, 0.1);
  EXPECT_NEAR(of_class(*elements, "whisker").at(0).number("x2"), zero + 95 * one, 0.1);
  const std::vector<XmlElement> references = of_class(*elements, "reference");
  ASSERT_EQ(references.size(), 2U);  // the legend's, and one figure
  EXPECT_NEAR(references[1].place().first, zero + 85 * one, 0.1);
}

TEST(ChartBars, NamesAreWritten) {
  const auto elements = read_xml(bar_chart_svg(scores()));
  ASSERT_TRUE(elements.has_value());
  EXPECT_THAT(texts(*elements), IsSupersetOf({"Scores", "squad", "needle", "survey", "q2c",
                                              "h2o <25 %>", "0", "20", "100"}));
}

TEST(ChartBars, WithoutReferencesTheLegendNamesNone) {
  BarChart chart = scores();
  chart.groups[0].references.clear();
  const auto elements = read_xml(bar_chart_svg(chart));
  ASSERT_TRUE(elements.has_value());
  EXPECT_THAT(texts(*elements), Not(Contains("survey")));
  EXPECT_TRUE(read_xml(bar_chart_svg({})).has_value());
}

TEST(ChartBars, AWildWhiskerDoesNotShrinkTheBars) {
  BarChart chart = scores();
  chart.groups[0].bars[0].high = 5000;
  const auto elements = read_xml(bar_chart_svg(chart));
  ASSERT_TRUE(elements.has_value());
  EXPECT_GT(of_class(*elements, "bar").at(0).number("width"), 200.0);
}

}  // namespace
}  // namespace sluice::runtime
