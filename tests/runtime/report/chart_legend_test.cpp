// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/chart_legend.hpp"

#include <gtest/gtest.h>

#include "tests/runtime/report/xml_tree.hpp"

namespace sluice::runtime {
namespace {

TEST(ChartLegend, EntriesWrapIntoRowsThatTheLegendMakesRoomFor) {
  std::vector<LegendEntry> entries;
  for (int i = 0; i < 6; ++i) entries.push_back({"a name of some length", svg_look(0)});
  SvgPicture picture;
  const double one_row = draw_legend(picture, {entries[0]}, {10, 30}, 400) - 30;
  SvgPicture rows;
  const double end = draw_legend(rows, entries, {10, 30}, 400);
  EXPECT_DOUBLE_EQ(end, 30 + 3 * one_row);  // two fit beside each other
  const auto elements = read_xml(rows.finish(400, end, ""));
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "mark").size(), 6U);
  for (const XmlElement& mark : of_class(*elements, "mark")) {
    EXPECT_GT(mark.place().first, 10.0);
    EXPECT_LT(mark.place().first, 400.0);
    EXPECT_LT(mark.place().second, end);
  }
}

TEST(ChartLegend, EachKindOfSeriesHasItsSign) {
  SvgPicture picture;
  draw_legend(picture,
              {{"a", svg_look(0), LegendEntry::Kind::kMark},
               {"b", svg_look(1), LegendEntry::Kind::kLine},
               {"c", svg_look(2), LegendEntry::Kind::kBar},
               {"d", {}, LegendEntry::Kind::kReference}},
              {0, 0}, 400);
  const auto elements = read_xml(picture.finish(400, 20, ""));
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "mark").size(), 2U);
  EXPECT_EQ(of_class(*elements, "sign").size(), 2U);  // the line's and the bar's
  EXPECT_EQ(of_class(*elements, "reference").size(), 1U);
}

TEST(ChartLegend, NothingTakesNoRoom) {
  SvgPicture picture;
  EXPECT_DOUBLE_EQ(draw_legend(picture, {}, {10, 30}, 400), 30.0);
}

}  // namespace
}  // namespace sluice::runtime
