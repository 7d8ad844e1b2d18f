// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "runtime/report/axis_scale.hpp"
#include "runtime/report/chart.hpp"
#include "runtime/report/chart_legend.hpp"
#include "runtime/report/svg.hpp"

namespace sluice::runtime {
namespace {

constexpr double kWidth = 800.0;
constexpr double kRight = 24.0;
constexpr double kBottom = 48.0;
constexpr double kNameWidthMax = 230.0;
constexpr double kGroupGap = 10.0;
constexpr double kStretch = 1.6;  // of the axis beyond bars and references, for whiskers' sake

class BarDrawing {
 public:
  explicit BarDrawing(const BarChart& chart)
      : chart_(chart), scale_(axis_values(chart), ChartScale::kLinear) {
    double name_width = 40.0;
    for (const BarGroup& group : chart.groups) {
      name_width = std::max(name_width, svg_text_width(group.name, 12));
    }
    left_ = std::min(name_width, kNameWidthMax) + 22;
    bar_height_ = chart.series.size() < 3 ? 13 : 9;
  }

  std::string draw() {
    picture_.text({16, 24}, svg_fitted(chart_.title, 15, kWidth - 16 - kRight),
                  {.size = 15, .is_bold = true});
    const double top = draw_legend(picture_, legend(), {16, 34}, kWidth - kRight) + 6;
    const double group_height = bar_height_ * static_cast<double>(chart_.series.size()) + kGroupGap;
    frame_ = {left_, top, kWidth - left_ - kRight,
              std::max(group_height * static_cast<double>(chart_.groups.size()), 40.0)};
    draw_axis();
    double y = top;
    for (const BarGroup& group : chart_.groups) {
      picture_.text({left_ - 8, y + group_height / 2 + 4},
                    svg_fitted(group.name, 12, kNameWidthMax), {.anchor = SvgAnchor::kEnd});
      draw_group(group, y + kGroupGap / 2);
      y += group_height;
    }
    return picture_.finish(kWidth, top + frame_.height + kBottom, chart_.title);
  }

 private:
  static std::vector<double> axis_values(const BarChart& chart) {
    std::vector<double> values = {0.0};
    // A little more, so that it is not the frame.
    if (chart.baseline) values.push_back(*chart.baseline * 1.02);
    for (const BarGroup& group : chart.groups) {
      for (const ChartPoint& bar : group.bars) values.push_back(bar.y);
      values.insert(values.end(), group.references.begin(), group.references.end());
    }
    double low = 0.0;
    double high = 0.0;
    for (const double value : values) {
      if (std::isnan(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
    for (const BarGroup& group : chart.groups) {
      for (const ChartPoint& bar : group.bars) {
        if (bar.low) values.push_back(std::max(*bar.low, low * kStretch));
        if (bar.high) values.push_back(std::min(*bar.high, high * kStretch));
      }
    }
    return values;
  }

  std::vector<LegendEntry> legend() const {
    std::vector<LegendEntry> entries;
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      entries.push_back({chart_.series[i], svg_look(i), LegendEntry::Kind::kBar});
    }
    const bool has_references =
        std::any_of(chart_.groups.begin(), chart_.groups.end(), [](const BarGroup& group) {
          return std::any_of(group.references.begin(), group.references.end(),
                             [](double value) { return std::isfinite(value); });
        });
    if (has_references) {
      entries.push_back({chart_.reference_name, {}, LegendEntry::Kind::kReference});
    }
    return entries;
  }

  double x_of(double value) const { return frame_.x + scale_.share(value) * frame_.width; }

  void draw_axis() {
    const double bottom = frame_.y + frame_.height;
    for (const double tick : scale_.ticks()) {
      picture_.line("tick-x", {x_of(tick), frame_.y}, {x_of(tick), bottom}, {.colour = "#e3e3e3"});
      picture_.text({x_of(tick), bottom + 17}, axis_label(tick), {.anchor = SvgAnchor::kMiddle});
    }
    picture_.rectangle("frame", frame_, "none", "#666666");
    picture_.text({frame_.x + frame_.width / 2, bottom + 37}, chart_.y_title,
                  {.size = 13, .anchor = SvgAnchor::kMiddle});
    if (chart_.baseline) {
      picture_.line("baseline", {x_of(*chart_.baseline), frame_.y},
                    {x_of(*chart_.baseline), bottom},
                    {.colour = "#444444", .width = 1.5, .dashes = "6 3"});
    }
  }

  void draw_group(const BarGroup& group, double top) {
    const std::size_t count = std::min(group.bars.size(), chart_.series.size());
    for (std::size_t i = 0; i < count; ++i) {
      const ChartPoint& bar = group.bars[i];
      const double y = top + bar_height_ * static_cast<double>(i);
      const double middle = y + bar_height_ / 2;
      if (std::isfinite(bar.y)) {
        const double from = std::min(x_of(0.0), x_of(bar.y));
        picture_.rectangle("bar",
                           {from, y + 0.5, std::abs(x_of(bar.y) - x_of(0.0)), bar_height_ - 1},
                           svg_look(i).colour);
        if (bar.low || bar.high) draw_whisker(bar, middle);
      }
      if (i < group.references.size() && std::isfinite(group.references[i])) {
        picture_.reference_mark({x_of(group.references[i]), middle});
      }
    }
  }

  void draw_whisker(const ChartPoint& bar, double y) {
    const double low = x_of(bar.low.value_or(bar.y));
    const double high = x_of(bar.high.value_or(bar.y));
    // Dark with a light edge: seen on the bar as well as beside it.
    picture_.line("halo", {low, y}, {high, y}, {.colour = "#ffffff", .width = 2.4});
    picture_.line("whisker", {low, y}, {high, y}, {.colour = "#333333", .width = 1.2});
    for (const double end : {low, high}) {
      picture_.line("whisker", {end, y - 2.5}, {end, y + 2.5}, {.colour = "#333333", .width = 1.2});
    }
  }

  const BarChart& chart_;
  AxisScale scale_;
  double left_ = 0.0;
  double bar_height_ = 0.0;
  SvgBox frame_;
  SvgPicture picture_;
};

}  // namespace

std::string bar_chart_svg(const BarChart& chart) { return BarDrawing(chart).draw(); }

}  // namespace sluice::runtime
