// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "runtime/report/axis_scale.hpp"
#include "runtime/report/chart.hpp"
#include "runtime/report/chart_legend.hpp"
#include "runtime/report/label_placement.hpp"
#include "runtime/report/svg.hpp"

namespace sluice::runtime {
namespace {

constexpr double kWidth = 800.0;
constexpr double kFrameHeight = 430.0;
constexpr double kLeft = 74.0;  // room for the axis' numbers and title
constexpr double kRight = 18.0;
constexpr double kBottom = 52.0;
constexpr double kLabelSize = 11.0;
constexpr double kMarkRadius = 5.0;
constexpr double kAside = 4.0;
constexpr std::string_view kGrid = "#e3e3e3";

class XyDrawing {
 public:
  explicit XyDrawing(const XyChart& chart)
      : chart_(chart),
        x_(values_of(&ChartPoint::x), chart.x.scale),
        y_(y_values(), chart.y.scale) {}

  std::string draw() {
    picture_.text({kLeft, 24}, svg_fitted(chart_.title, 15, kWidth - kLeft - kRight),
                  {.size = 15, .is_bold = true});
    const double top = draw_legend(picture_, legend(), {kLeft, 34}, kWidth - kRight) + 6;
    frame_ = {kLeft, top, kWidth - kLeft - kRight, kFrameHeight};
    draw_axes();
    for (std::size_t i = 0; i < chart_.series.size(); ++i) draw_series(chart_.series[i], i);
    draw_labels();
    return picture_.finish(kWidth, top + kFrameHeight + kBottom, chart_.title);
  }

 private:
  std::vector<double> values_of(double ChartPoint::*member) const {
    std::vector<double> values;
    for (const ChartSeries& series : chart_.series) {
      for (const ChartPoint& point : series.points) values.push_back(point.*member);
    }
    return values;
  }

  // With whiskers; on a logarithmic axis one does not stretch it by more than a decade.
  std::vector<double> y_values() const {
    std::vector<double> values = values_of(&ChartPoint::y);
    double floor = -HUGE_VAL;
    if (chart_.y.scale == ChartScale::kLog) {
      floor = HUGE_VAL;
      for (const double y : values) {
        if (y > 0.0) floor = std::min(floor, y / 10.0);
      }
    }
    for (const ChartSeries& series : chart_.series) {
      for (const ChartPoint& point : series.points) {
        if (point.low && *point.low >= floor) values.push_back(*point.low);
        if (point.high) values.push_back(*point.high);
      }
    }
    return values;
  }

  std::vector<LegendEntry> legend() const {
    std::vector<LegendEntry> entries;
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      const ChartSeries& series = chart_.series[i];
      const auto kind = series.is_line ? LegendEntry::Kind::kLine : LegendEntry::Kind::kMark;
      if (!series.name.empty()) entries.push_back({series.name, svg_look(i), kind});
    }
    return entries;
  }

  SvgPoint place(double x, double y) const {
    return {frame_.x + x_.share(x) * frame_.width, frame_.y + (1 - y_.share(y)) * frame_.height};
  }

  // Lines over the same x: a step aside for each, so that whiskers lie beside each other.
  double step_aside(std::size_t index) const {
    double lines = 0.0;
    double before = 0.0;
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      lines += chart_.series[i].is_line;
      before += i < index && chart_.series[i].is_line;
    }
    return chart_.series[index].is_line ? kAside * (before - (lines - 1) / 2) : 0.0;
  }

  void draw_axes() {
    const double right = frame_.x + frame_.width;
    const double bottom = frame_.y + frame_.height;
    for (const double tick : x_.ticks()) {
      const double x = frame_.x + x_.share(tick) * frame_.width;
      picture_.line("tick-x", {x, frame_.y}, {x, bottom}, {.colour = kGrid});
      picture_.text({x, bottom + 17}, axis_label(tick), {.anchor = SvgAnchor::kMiddle});
    }
    for (const double tick : y_.ticks()) {
      const double y = frame_.y + (1 - y_.share(tick)) * frame_.height;
      picture_.line("tick-y", {frame_.x, y}, {right, y}, {.colour = kGrid});
      picture_.text({frame_.x - 7, y + 4}, axis_label(tick), {.anchor = SvgAnchor::kEnd});
    }
    picture_.rectangle("frame", frame_, "none", "#666666");
    picture_.text({frame_.x + frame_.width / 2, bottom + 38}, chart_.x.title,
                  {.size = 13, .anchor = SvgAnchor::kMiddle});
    picture_.text({20, frame_.y + frame_.height / 2}, chart_.y.title,
                  {.size = 13, .anchor = SvgAnchor::kMiddle, .is_upward = true});
  }

  void draw_whisker(const ChartPoint& point, SvgPoint at, std::string_view colour) {
    const SvgPoint low{at.x, place(point.x, point.low.value_or(point.y)).y};
    const SvgPoint high{at.x, place(point.x, point.high.value_or(point.y)).y};
    const SvgStroke stroke{.colour = colour, .width = 1.0};
    picture_.line("whisker", low, high, stroke);
    for (const SvgPoint& end : {low, high}) {
      if (end.y != at.y) picture_.line("whisker", {end.x - 3, end.y}, {end.x + 3, end.y}, stroke);
    }
    obstacles_.push_back({at.x - 1, high.y, 2, low.y - high.y});
  }

  void draw_series(const ChartSeries& series, std::size_t index) {
    const SvgLook look = svg_look(index);
    std::vector<SvgPoint> path;
    for (const ChartPoint& point : series.points) {
      if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
      path.push_back(place(point.x, point.y));
      path.back().x += step_aside(index);
      if (point.low || point.high) draw_whisker(point, path.back(), look.colour);
    }
    if (series.is_line && path.size() > 1) {
      picture_.polyline("line", path, {.colour = look.colour, .width = 1.6});
      add_line_obstacles(path);
    }
    for (const SvgPoint& at : path) picture_.mark(at, look);
    for (const SvgPoint& at : path) {
      obstacles_.push_back(
          {at.x - kMarkRadius, at.y - kMarkRadius, 2 * kMarkRadius, 2 * kMarkRadius});
    }
  }

  void add_line_obstacles(const std::vector<SvgPoint>& path) {
    constexpr int kPieces = 24;
    for (std::size_t i = 1; i < path.size(); ++i) {
      for (int piece = 0; piece < kPieces; ++piece) {
        const double share = (piece + 0.5) / kPieces;
        const double x = path[i - 1].x + share * (path[i].x - path[i - 1].x);
        const double y = path[i - 1].y + share * (path[i].y - path[i - 1].y);
        obstacles_.push_back({x - 2, y - 2, 4, 4});
      }
    }
  }

  void draw_labels() {
    std::vector<LabelRequest> requests;
    std::vector<std::string> words;
    for (const ChartSeries& series : chart_.series) {
      for (const ChartPoint& point : series.points) {
        if (point.label.empty() || !std::isfinite(point.x) || !std::isfinite(point.y)) continue;
        words.push_back(svg_fitted(point.label, kLabelSize, frame_.width / 3));
        requests.push_back(
            {place(point.x, point.y), svg_text_width(words.back(), kLabelSize), kLabelSize});
      }
    }
    const std::vector<PlacedLabel> placed = place_labels(requests, obstacles_, frame_);
    for (const PlacedLabel& label : placed) {
      if (!label.is_far) continue;
      const SvgPoint& at = requests[label.index].at;
      const SvgPoint end{std::clamp(at.x, label.box.x, label.box.x + label.box.width),
                         std::clamp(at.y, label.box.y, label.box.y + label.box.height)};
      picture_.line("leader", at, end, {.colour = "#999999", .width = 0.7});
    }
    for (const PlacedLabel& label : placed) {
      picture_.text({label.box.x, label.box.y + kLabelSize - 2}, words[label.index],
                    {.size = kLabelSize, .colour = "#333333"});
    }
  }

  const XyChart& chart_;
  AxisScale x_;
  AxisScale y_;
  SvgBox frame_;
  std::vector<SvgBox> obstacles_;
  SvgPicture picture_;
};

}  // namespace

std::string xy_chart_svg(const XyChart& chart) { return XyDrawing(chart).draw(); }

}  // namespace sluice::runtime
