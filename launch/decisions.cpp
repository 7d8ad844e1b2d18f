// SPDX-License-Identifier: Apache-2.0
#include "launch/decisions.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "launch/rank.hpp"

namespace sluice::launch {
namespace {

using runtime::DecisionGroup;
using runtime::DecisionRow;

// Columns as wide as their widest cell; numbers to the right.
class TextTable {
 public:
  struct Column {
    const char* name;
    bool is_number = false;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  void print(std::ostream& out) const {
    std::vector<std::string> names;
    for (const Column& column : columns_) names.emplace_back(column.name);
    std::vector<std::size_t> widths;
    for (const std::string& name : names) widths.push_back(name.size());
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    print_row(out, names, widths);
    for (const auto& row : rows_) print_row(out, row, widths);
  }

 private:
  void print_row(std::ostream& out, const std::vector<std::string>& cells,
                 const std::vector<std::size_t>& widths) const {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += "  ";
      line += columns_[i].is_number ? fmt::format("{:>{}}", cells[i], widths[i])
                                    : fmt::format("{:<{}}", cells[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string time_text(double time_s) {
  if (!(time_s > 0.0 && time_s < 1e11)) return "";
  const auto seconds = static_cast<std::time_t>(time_s);
  const int thousandths = static_cast<int>((time_s - std::floor(time_s)) * 1000.0);
  return fmt::format("{:%H:%M:%S}.{:03}", fmt::gmtime(seconds), thousandths);
}

std::string seconds_text(double seconds) {
  return seconds > 0.0 ? fmt::format("{:.3f}", seconds) : "";
}

std::string percent_text(double share) { return fmt::format("{:.1f} %", 100.0 * share); }

std::string where(const DecisionRow& row) {
  const std::string decode = row.decode_node < 0 ? "" : std::to_string(row.decode_node);
  return row.prefill_node < 0 ? decode : fmt::format("{}->{}", row.prefill_node, decode);
}

void print_last(std::ostream& out, const std::vector<DecisionRow>& rows, std::int64_t last) {
  TextTable table({{"time (UTC)"},
                   {"request", true},
                   {"class"},
                   {"tokens", true},
                   {"waited", true},
                   {"verdict"},
                   {"ranks"},
                   {"level"},
                   {"predicted", true},
                   {"measured", true},
                   {"error", true},
                   {"next best"},
                   {"reason"}});
  const auto count = std::min(rows.size(), static_cast<std::size_t>(last));
  for (auto row = rows.end() - static_cast<std::ptrdiff_t>(count); row != rows.end(); ++row) {
    std::string reason = row->reason;
    if (row->retry_after_s > 0.0) reason += fmt::format(" (again in {:.0f} s)", row->retry_after_s);
    if (row->attempts > 1) reason += fmt::format(" (attempt {})", row->attempts);
    std::string other = row->alternative;
    if (!other.empty()) other += fmt::format(" {:.3f}", row->alternative_s);
    table.add({time_text(row->time_s), std::to_string(row->request), row->slo_class,
               std::to_string(row->prompt_tokens), seconds_text(row->waited_s), row->verdict,
               where(*row), row->sent.empty() ? row->level : row->sent,
               seconds_text(row->predicted_s), seconds_text(row->measured_s),
               row->has_error() ? fmt::format("{:+.1f} %", 100.0 * row->error()) : "", other,
               reason});
  }
  table.print(out);
  out << '\n';
}

void print_summary(std::ostream& out, const std::vector<DecisionRow>& rows) {
  TextTable table({{"policy"},
                   {"verdict"},
                   {"level"},
                   {"requests", true},
                   {"answered", true},
                   {"in time", true},
                   {"ttft median", true},
                   {"p99", true},
                   {"error median", true},
                   {"p90", true}});
  const auto add = [&table](const DecisionGroup& group) {
    const bool is_answered = group.answered > 0;
    const double in_time = static_cast<double>(group.in_time);
    table.add({group.policy, group.verdict, group.level, std::to_string(group.requests),
               std::to_string(group.answered),
               is_answered ? percent_text(in_time / static_cast<double>(group.answered)) : "",
               seconds_text(group.ttft_median_s), seconds_text(group.ttft_p99_s),
               group.predicted > 0 ? percent_text(group.error_median) : "",
               group.predicted > 0 ? percent_text(group.error_p90) : ""});
  };
  for (const DecisionGroup& group : runtime::group_decisions(rows)) add(group);
  DecisionGroup all = runtime::sum_up_decisions(rows);
  all.policy = "all";
  add(all);
  table.print(out);
}

int run_decisions(const DecisionsOptions& options) {
  const auto history = runtime::read_decisions(options.log);
  if (!history) {
    print_error(history.error());
    return 1;
  }
  print_decisions(std::cout, *history, options.last);
  return 0;
}

}  // namespace

void print_decisions(std::ostream& out, const runtime::DecisionHistory& history,
                     std::int64_t last) {
  if (history.rows.empty()) {
    out << "no decision in the log\n";
  } else {
    if (last > 0) print_last(out, history.rows, last);
    print_summary(out, history.rows);
    out << "times in seconds, from submission to first token; errors: predicted by measured\n";
  }
  if (history.lost_lines > 0) {
    out << fmt::format("{} lines could not be written and are missing\n", history.lost_lines);
  }
  if (history.odd_lines > 0) out << fmt::format("{} lines are unreadable\n", history.odd_lines);
}

void add_decisions(CLI::App& app, DecisionsOptions& options, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "decisions",
      "Show a scheduler's decisions: what was chosen, what came of it, how good its "
      "predictions were");
  command->add_option("log", options.log, "The file that the cluster file's decision_log names")
      ->required();
  command->add_option("--last", options.last, "How many requests to list, the last ones; 0: none")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->callback(
      [&options, &chosen] { chosen = [&options] { return run_decisions(options); }; });
}

}  // namespace sluice::launch
