// SPDX-License-Identifier: Apache-2.0
// Pictures for reports, as SVG text: self-contained, readable on white and in grey, no fonts to
// load. Names and titles may be anything: they are escaped.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sluice::runtime {

struct ChartPoint {
  double x = 0.0;
  double y = 0.0;
  std::optional<double> low;  // whisker on y
  std::optional<double> high;
  std::string label;  // beside the point; may be empty
};
struct ChartSeries {
  std::string name;  // in the legend
  std::vector<ChartPoint> points;
  bool is_line = false;  // points are joined
};
enum class ChartScale {
  kLinear,
  kLog,
  kSignedLog,  // of both signs: linear near 0, logarithmic from about 1 on
};
struct ChartAxis {
  std::string title;  // with its unit
  ChartScale scale = ChartScale::kLinear;
};
struct XyChart {
  std::string title;
  ChartAxis x;
  ChartAxis y;
  std::vector<ChartSeries> series;
};
// What is not positive lies at the low end of a logarithmic axis.
std::string xy_chart_svg(const XyChart& chart);

struct BarGroup {
  std::string name;
  std::vector<ChartPoint> bars;  // y, whiskers; one for each of BarChart::series, NaN: none
  // A mark beside each bar, as many or none; NaN: none.
  std::vector<double> references;
};
// Bars lie: a group's name, which may be long, is written left of it.
struct BarChart {
  std::string title;
  std::string y_title;
  std::vector<std::string> series;
  std::string reference_name;  // in the legend: whose figures the marks are
  std::vector<BarGroup> groups;
  std::optional<double> baseline;  // a line across
};
std::string bar_chart_svg(const BarChart& chart);

struct HeatMap {
  std::string title;
  std::string x_title;
  std::string y_title;
  std::vector<std::string> columns;
  std::vector<std::string> rows;
  std::vector<double> values;  // [rows][columns], NaN: nothing there; written into the cells
  double low = 0.0;            // the scale's ends
  double high = 1.0;
};
std::string heat_map_svg(const HeatMap& map);

}  // namespace sluice::runtime
