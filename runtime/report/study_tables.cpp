// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_tables.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/report/figure_text.hpp"

namespace sluice::runtime {
namespace {

constexpr FigureStyle kPercent{.factor = 100.0};
constexpr FigureStyle kChange{.factor = 100.0, .is_signed = true};

std::string table_row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

// The first column is words, the others are figures.
std::string table_head(const std::vector<std::string>& cells) {
  std::string rule = "|---|";
  for (std::size_t i = 1; i < cells.size(); ++i) rule += "---:|";
  return table_row(cells) + rule + "\n";
}

std::string score_cell(const PipelineSummary* summary, double published) {
  if (summary == nullptr) return kNoFigure;
  std::string cell = interval_text(summary->score_relative, kPercent);
  if (std::isfinite(published)) cell += " (" + fixed_text(published, 1) + ")";
  return cell;
}

std::string likelihood_cell(const PipelineSummary* summary) {
  return summary == nullptr ? kNoFigure : interval_text(change_of(summary->nll_relative), kChange);
}

template <typename Cell>
std::string by_task_table(const StudyFigures& figures, Cell cell) {
  std::vector<std::string> columns = figures.tasks();
  columns.emplace_back(kAllTasks);
  std::vector<std::string> head = {"pipeline"};
  for (const std::string& column : columns) head.push_back(markdown_text(column));
  std::string table = table_head(head);
  for (const StudyRow& row : figures.rows()) {
    std::vector<std::string> cells = {markdown_text(row.label)};
    for (const std::string& column : columns) cells.push_back(cell(row, column));
    table += table_row(cells);
  }
  return table;
}

}  // namespace

std::string setting_table(const StudyFigures& figures) {
  std::string table = table_head(
      {"task", "items", "tokens of a prompt", "score, %", "exact, %", "NLL, nats a token"});
  for (const std::string& task : figures.tasks()) {
    const PipelineSummary* whole = figures.find(kFullCache, task);
    if (whole == nullptr) continue;
    double tokens = 0.0;
    for (const Outcome& outcome : figures.outcomes()) {
      if (outcome.task == task && outcome.pipeline == kFullCache) {
        tokens += static_cast<double>(outcome.tokens) / static_cast<double>(whole->items);
      }
    }
    table += table_row({markdown_text(task), std::to_string(whole->items), fixed_text(tokens, 0),
                        interval_text(whole->score, kPercent),
                        interval_text(whole->exact_match, kPercent), interval_text(whole->nll)});
  }
  return table;
}

std::string overall_table(const StudyFigures& figures) {
  const bool has_published = std::any_of(
      figures.rows().begin(), figures.rows().end(),
      [&](const StudyRow& row) { return std::isfinite(figures.published(row, kAllTasks)); });
  std::vector<std::string> head = {"pipeline",
                                   "ratio",
                                   "bits",
                                   "KL, nats a token",
                                   "top-1, %",
                                   "NLL, %",
                                   "score, % of the whole cache's"};
  if (has_published) head.insert(head.end(), {"published, %", "ours less theirs"});
  std::string table = table_head(head);
  for (const StudyRow& row : figures.rows()) {
    const PipelineSummary& all = *figures.find(row.pipeline, kAllTasks);
    std::vector<std::string> cells = {markdown_text(row.label),
                                      ratio_text(all.ratio.mean),
                                      fixed_text(all.bits_per_element, 2),
                                      interval_text(all.kl),
                                      mean_text(all.top1, kPercent),
                                      interval_text(change_of(all.nll_relative), kChange),
                                      interval_text(all.score_relative, kPercent)};
    if (has_published) {
      const double published = figures.published(row, kAllTasks);
      Interval difference = all.score_relative;
      for (double* end : {&difference.mean, &difference.low, &difference.high}) {
        *end = *end * 100.0 - published;
      }
      cells.push_back(fixed_text(published, 1));
      cells.push_back(mean_text(difference, {.is_signed = true}));
    }
    table += table_row(cells);
  }
  return table;
}

std::string score_table(const StudyFigures& figures) {
  if (figures.tasks().size() < 2) return "";
  return by_task_table(figures, [&](const StudyRow& row, const std::string& task) {
    return score_cell(figures.find(row.pipeline, task), figures.published(row, task));
  });
}

std::string likelihood_table(const StudyFigures& figures) {
  if (figures.tasks().size() < 2) return "";
  return by_task_table(figures, [&](const StudyRow& row, const std::string& task) {
    return likelihood_cell(figures.find(row.pipeline, task));
  });
}

std::string length_table(const StudyFigures& figures) {
  if (figures.lengths().empty()) return "";
  std::vector<std::string> head = {"pipeline", "measure"};
  for (const std::int64_t length : figures.lengths()) head.push_back(std::to_string(length));
  std::string table = table_head(head);
  const auto add = [&](const std::string& name, const std::string& measure,
                       const std::string& pipeline, auto cell) {
    std::vector<std::string> cells = {markdown_text(name), measure};
    for (const std::int64_t length : figures.lengths()) {
      const PipelineSummary* summary = figures.find(pipeline, length);
      cells.push_back(summary == nullptr ? kNoFigure : cell(*summary));
    }
    table += table_row(cells);
  };
  add("the whole cache", "score, %", kFullCache,
      [](const PipelineSummary& summary) { return interval_text(summary.score, kPercent); });
  for (const StudyRow& row : figures.rows()) {
    add(row.label, "KL", row.pipeline,
        [](const PipelineSummary& summary) { return interval_text(summary.kl); });
    add("", "NLL, %", row.pipeline,
        [](const PipelineSummary& summary) { return likelihood_cell(&summary); });
    add("", "score, %", row.pipeline,
        [](const PipelineSummary& summary) { return interval_text(summary.score, kPercent); });
  }
  return table;
}

}  // namespace sluice::runtime
