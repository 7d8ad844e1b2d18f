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

XyChart pareto() {
  XyChart chart;
  chart.title = "Loss <against> ratio";
  chart.x = {"ratio", ChartScale::kLog};
  chart.y = {"KL & more", ChartScale::kLog};
  chart.series = {
      {"best@N", {{4, 0.001, 0.0005, 0.002, "best@4"}, {20, 0.06, {}, {}, "best"}}, true},
      {"quantizers", {{3.2, 0.07, 0.0, 0.1, "\"int4\""}, {1, 0.0, {}, {}, "raw"}}}};
  return chart;
}

TEST(ChartXy, EveryPointHasAMarkWithinTheFrame) {
  const auto elements = read_xml(xy_chart_svg(pareto()));
  ASSERT_TRUE(elements.has_value());
  const XmlElement frame = of_class(*elements, "frame").at(0);
  std::vector<XmlElement> marks = of_class(*elements, "mark");
  ASSERT_EQ(marks.size(), 2U + 4U);  // the legend's come first
  for (std::size_t i = 2; i < marks.size(); ++i) {
    const auto [x, y] = marks[i].place();
    EXPECT_GE(x, frame.number("x"));
    EXPECT_LE(x, frame.number("x") + frame.number("width"));
    EXPECT_GE(y, frame.number("y"));
    EXPECT_LE(y, frame.number("y") + frame.number("height"));
  }
  // More ratio lies further right, more loss further up, and no loss at all at the bottom.
  EXPECT_LT(marks[2].place().first, marks[3].place().first);
  EXPECT_GT(marks[2].place().second, marks[3].place().second);
  EXPECT_DOUBLE_EQ(marks[5].place().second, frame.number("y") + frame.number("height"));
}

TEST(ChartXy, NamesTicksAndLabelsAreWritten) {
  const auto elements = read_xml(xy_chart_svg(pareto()));
  ASSERT_TRUE(elements.has_value());
  EXPECT_THAT(texts(*elements),
              IsSupersetOf({"Loss <against> ratio", "ratio", "KL & more", "best@N", "quantizers",
                            "best@4", "best", "\"int4\"", "raw", "1", "10", "0.01", "0.1"}));
}

TEST(ChartXy, OnlyLinesAreJoinedAndWhiskersDrawn) {
  const auto elements = read_xml(xy_chart_svg(pareto()));
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "line").size(), 1U);
  EXPECT_EQ(of_class(*elements, "whisker").size(), 6U);  // two, each with its ends
}

TEST(ChartXy, PointsThatAreNoNumbersAreLeftOut) {
  XyChart chart = pareto();
  chart.series[1].points[0].y = NAN;
  chart.series[1].points[1].x = HUGE_VAL;
  const auto elements = read_xml(xy_chart_svg(chart));
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "mark").size(), 2U + 2U);
  EXPECT_THAT(texts(*elements), Not(Contains("raw")));
}

TEST(ChartXy, AChartOfNothingIsStillAPicture) {
  EXPECT_TRUE(read_xml(xy_chart_svg({})).has_value());
}

}  // namespace
}  // namespace sluice::runtime
