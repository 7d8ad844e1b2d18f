// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_charts.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "runtime/report/chart.hpp"
#include "runtime/report/figure_text.hpp"

namespace sluice::runtime {
namespace {

// From so many pipelines on, bars of one group have a picture of their own.
constexpr std::size_t kBarGroupsMax = 10;

constexpr Interval kNone{NAN, NAN, NAN};

std::string file_name(const std::string& study, const std::string& what) {
  std::string name;
  for (const char c : study + "-" + what) {
    const auto byte = static_cast<unsigned char>(c);
    name += std::isalnum(byte) != 0 ? static_cast<char>(std::tolower(byte)) : '-';
  }
  return name + ".svg";
}

ChartPoint point_of(double x, const Interval& y, double factor, const std::string& label) {
  ChartPoint point;
  point.x = x;
  point.y = y.mean * factor;
  point.label = label;
  if (std::isfinite(y.low)) point.low = y.low * factor;
  if (std::isfinite(y.high)) point.high = y.high * factor;
  return point;
}

struct LossAxis {
  const char* file;
  const char* name;
  ChartAxis axis;
  Interval (*value)(const PipelineSummary&);
  double factor;
};

const std::vector<LossAxis>& losses() {
  static const std::vector<LossAxis> axes = {
      {"kl",
       "KL",
       {"KL from the whole cache, nats per token", ChartScale::kLog},
       [](const PipelineSummary& summary) { return summary.kl; },
       1.0},
      {"nll",
       "likelihood",
       {"change of the gold answer's NLL, %", ChartScale::kSignedLog},
       [](const PipelineSummary& summary) { return change_of(summary.nll_relative); },
       100.0}};
  return axes;
}

std::vector<std::string> groups_of(const std::vector<StudyRow>& rows) {
  std::vector<std::string> groups;
  for (const StudyRow& row : rows) {
    if (std::find(groups.begin(), groups.end(), row.group) == groups.end()) {
      groups.push_back(row.group);
    }
  }
  return groups;
}

// A line for each family, points for the groups of the others.
std::vector<ChartSeries> pareto_series(const StudyFigures& figures, const LossAxis& loss) {
  const auto point = [&](const StudyRow& row) {
    const PipelineSummary& all = *figures.find(row.pipeline, kAllTasks);
    return point_of(all.ratio.mean, loss.value(all), loss.factor, row.label);
  };
  std::vector<ChartSeries> list;
  for (const StudyFamily& family : figures.families()) {
    ChartSeries series{family.name + ", by level", {}, true};
    for (const StudyRow& row : figures.rows()) {
      if (kernels::calibrated_name(row.pipeline) == family.name)
        series.points.push_back(point(row));
    }
    list.push_back(std::move(series));
  }
  for (const std::string& group : groups_of(figures.rows())) {
    ChartSeries series{group.empty() ? "others" : group, {}, false};
    for (const StudyRow& row : figures.rows()) {
      if (row.group == group && !figures.is_of_family(row.pipeline)) {
        series.points.push_back(point(row));
      }
    }
    if (!series.points.empty()) list.push_back(std::move(series));
  }
  return list;
}

void add_pareto(const StudyFigures& figures, std::vector<StudyPicture>& pictures) {
  for (const LossAxis& loss : losses()) {
    XyChart chart;
    chart.title = std::string("Loss against ratio, all tasks alike: ") + loss.name;
    chart.x.title = "times smaller than BF16";
    chart.x.scale = ChartScale::kLog;
    chart.y = loss.axis;
    chart.series = pareto_series(figures, loss);
    pictures.push_back({file_name(figures.study().name, std::string("ratio-") + loss.file),
                        chart.title, xy_chart_svg(chart)});
  }
}

BarChart bars_of(const StudyFigures& figures, const std::vector<const StudyRow*>& rows) {
  BarChart chart;
  chart.y_title = "score, % of the whole cache's";
  chart.baseline = 100.0;
  chart.reference_name = "published";
  chart.series = figures.tasks();
  if (chart.series.size() > 1) chart.series.emplace_back(kAllTasks);
  for (const StudyRow* row : rows) {
    BarGroup group{row->label, {}, {}};
    for (const std::string& task : chart.series) {
      const PipelineSummary* summary = figures.find(row->pipeline, task);
      const Interval score = summary == nullptr ? kNone : summary->score_relative;
      group.bars.push_back(point_of(0.0, score, 100.0, ""));
      group.references.push_back(figures.published(*row, task));
    }
    chart.groups.push_back(std::move(group));
  }
  return chart;
}

void add_bars(const StudyFigures& figures, std::vector<StudyPicture>& pictures) {
  std::vector<std::string> groups = groups_of(figures.rows());
  const bool is_split = figures.rows().size() > kBarGroupsMax && groups.size() > 1;
  if (!is_split) groups = {""};
  for (const std::string& group : groups) {
    std::vector<const StudyRow*> rows;
    for (const StudyRow& row : figures.rows()) {
      if (!is_split || row.group == group) rows.push_back(&row);
    }
    const std::string of = is_split && group.empty() ? "others" : group;
    BarChart chart = bars_of(figures, rows);
    chart.title = "Score by task" + (is_split ? ": " + of : "");
    pictures.push_back({file_name(figures.study().name, is_split ? "score-" + of : "score"),
                        chart.title, bar_chart_svg(chart)});
  }
}

void add_lengths(const StudyFigures& figures, std::vector<StudyPicture>& pictures) {
  if (figures.lengths().size() < 2) return;
  for (const LossAxis& loss : losses()) {
    XyChart chart;
    chart.title = std::string("Loss against the length of the context: ") + loss.name;
    chart.x.title = "tokens";
    chart.x.scale = ChartScale::kLog;
    chart.y = loss.axis;
    for (const StudyRow& row : figures.rows()) {
      ChartSeries series{row.label, {}, true};
      for (const std::int64_t length : figures.lengths()) {
        const PipelineSummary* summary = figures.find(row.pipeline, length);
        if (summary == nullptr) continue;
        series.points.push_back(
            point_of(static_cast<double>(length), loss.value(*summary), loss.factor, ""));
      }
      chart.series.push_back(std::move(series));
    }
    pictures.push_back({file_name(figures.study().name, std::string("length-") + loss.file),
                        chart.title, xy_chart_svg(chart)});
  }
}

HeatMap needles_of(const StudyFigures& figures, const std::string& pipeline, std::int64_t keys) {
  std::set<double> depths;
  for (const Outcome& outcome : figures.outcomes()) {
    if (outcome.length > 0) depths.insert(outcome.depth);
  }
  HeatMap map;
  map.x_title = "tokens";
  map.y_title = "depth";
  for (const std::int64_t length : figures.lengths()) map.columns.push_back(std::to_string(length));
  for (const double depth : depths) {
    map.rows.push_back(fixed_text(100.0 * depth, 0) + " %");
    for (const std::int64_t length : figures.lengths()) {
      double sum = 0.0;
      double count = 0.0;
      for (const Outcome& outcome : figures.outcomes()) {
        if (outcome.pipeline != pipeline || outcome.length != length || outcome.keys != keys ||
            outcome.depth != depth) {
          continue;
        }
        sum += outcome.score;
        count += 1.0;
      }
      map.values.push_back(count > 0.0 ? sum / count : NAN);
    }
  }
  return map;
}

void add_heat_maps(const StudyFigures& figures, std::vector<StudyPicture>& pictures) {
  std::set<std::int64_t> keys;
  for (const Outcome& outcome : figures.outcomes()) {
    if (outcome.length > 0) keys.insert(outcome.keys);
  }
  std::vector<StudyRow> rows = {{kFullCache, "the whole cache", "", nullptr}};
  rows.insert(rows.end(), figures.rows().begin(), figures.rows().end());
  for (const StudyRow& row : rows) {
    for (const std::int64_t key : keys) {
      HeatMap map = needles_of(figures, row.pipeline, key);
      map.title =
          "Score: " + row.label + ", " + std::to_string(key) + (key == 1 ? " needle" : " needles");
      const std::string file = "needle-" + row.pipeline + "-" + std::to_string(key);
      pictures.push_back(
          {file_name(figures.study().name, file), map.title, heat_map_svg(map), true});
    }
  }
}

}  // namespace

std::vector<StudyPicture> study_pictures(const StudyFigures& figures) {
  std::vector<StudyPicture> pictures;
  if (figures.rows().empty()) return pictures;
  for (const StudyChart chart : figures.study().charts) {
    switch (chart) {
      case StudyChart::kPareto:
        add_pareto(figures, pictures);
        break;
      case StudyChart::kBars:
        add_bars(figures, pictures);
        break;
      case StudyChart::kLengths:
        add_lengths(figures, pictures);
        break;
      case StudyChart::kHeatMap:
        add_heat_maps(figures, pictures);
        break;
    }
  }
  return pictures;
}

}  // namespace sluice::runtime
