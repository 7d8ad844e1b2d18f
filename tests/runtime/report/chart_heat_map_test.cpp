// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/report/chart.hpp"
#include "tests/runtime/report/xml_tree.hpp"

namespace sluice::runtime {
namespace {

using ::testing::IsSupersetOf;

HeatMap needles() {
  return {"needle <1 key>",      "tokens", "depth", {"512", "1024"}, {"0 %", "100 %"},
          {1.0, 0.25, 0.0, NAN}, 0.0,      1.0};
}

TEST(ChartHeatMap, ValuesAreWrittenIntoTheCells) {
  const auto elements = read_xml(heat_map_svg(needles()));
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "cell").size(), 4U);
  EXPECT_THAT(texts(*elements), IsSupersetOf({"needle <1 key>", "512", "1024", "0 %", "100 %",
                                              "1.00", "0.25", "0.00", "\xE2\x80\x93"}));
}

TEST(ChartHeatMap, MoreIsDarker) {
  const auto elements = read_xml(heat_map_svg(needles()));
  ASSERT_TRUE(elements.has_value());
  const auto cells = of_class(*elements, "cell");
  const auto lightness = [&](std::size_t cell) {
    const std::string fill = cells.at(cell).attributes.at("fill");
    int sum = 0;
    for (const std::size_t digit : {1, 3, 5}) sum += std::stoi(fill.substr(digit, 2), nullptr, 16);
    return sum;
  };
  EXPECT_LT(lightness(0), lightness(1));
  EXPECT_LT(lightness(1), lightness(2));
}

TEST(ChartHeatMap, ValuesOfAnySizeAndAScaleOfNothingAreDrawn) {
  HeatMap map = needles();
  map.values = {1e9, -1e9, 0.0001, 123.0};
  map.low = map.high = 0.0;
  const auto elements = read_xml(heat_map_svg(map));
  ASSERT_TRUE(elements.has_value());
  EXPECT_THAT(texts(*elements), IsSupersetOf({"1e+09", "-1e+09", "0.0001", "123"}));
  EXPECT_TRUE(read_xml(heat_map_svg({})).has_value());
}

TEST(ChartHeatMap, MissingValuesAreCellsWithoutOne) {
  HeatMap map = needles();
  map.values.resize(1);
  const auto elements = read_xml(heat_map_svg(map));
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(of_class(*elements, "cell").size(), 4U);
}

}  // namespace
}  // namespace sluice::runtime
