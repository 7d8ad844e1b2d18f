// SPDX-License-Identifier: Apache-2.0
#include "launch/eval_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "runtime/evaluation/statistics.hpp"
#include "runtime/report/study_report.hpp"

namespace sluice::launch {
namespace {

using runtime::PipelineSummary;

std::string report_json(const EvalSubject& subject, std::span<const EvaluatedStudy> studies) {
  std::vector<runtime::StudySummaries> summarized;
  for (const auto& [study, outcomes] : studies) {
    summarized.push_back({study.name, study.title, runtime::summarize(outcomes)});
  }
  return runtime::summary_json(subject, summarized);
}

std::string head_of(const EvalSubject& subject) {
  std::string head = "# What compression costs the answers of " + subject.model + "\n\n";
  head += fmt::format("Model fingerprint {}, data: {}.\n", subject.fingerprint, subject.data);
  for (const std::string& note : subject.notes) head += "\n" + note + "\n";
  return head + "\n";
}

Status write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return {};
  return make_error(ErrorCode::kUnavailable,
                    "cannot write " + path.string() + ": " + std::strerror(errno));
}

// "-" where there is nothing to divide by.
std::string percent(double share) {
  return std::isnan(share) ? "-" : fmt::format("{:.1f} %", 100.0 * share);
}

}  // namespace

Status write_eval_report(const std::filesystem::path& folder, const EvalSubject& subject,
                         std::span<const EvaluatedStudy> studies) {
  std::vector<runtime::ReportSection> sections;
  sections.push_back({"about", head_of(subject), {}});
  std::string markdown = sections.front().markdown;
  for (const EvaluatedStudy& evaluated : studies) {
    auto section = runtime::study_section(evaluated.study, evaluated.outcomes, ".");
    for (const auto& [name, svg] : section.pictures) SLUICE_TRY(write_file(folder / name, svg));
    markdown += section.markdown + "\n";
    sections.push_back(std::move(section));
  }
  SLUICE_TRY(write_file(folder / "report.md", markdown));
  SLUICE_TRY(write_file(folder / "report.html",
                        runtime::html_page("What compression costs " + subject.model, sections)));
  return write_file(folder / "report.json", report_json(subject, studies));
}

std::string eval_table(const EvaluatedStudy& study) {
  const auto summaries = runtime::summarize(study.outcomes);
  const auto tasks = runtime::task_names(study.outcomes);
  std::map<std::string, std::map<std::string, const PipelineSummary*>> rows;
  for (const PipelineSummary& summary : summaries) {
    if (summary.pipeline != runtime::kFullCache) rows[summary.pipeline][summary.task] = &summary;
  }
  std::vector<const std::map<std::string, const PipelineSummary*>*> order;
  for (const auto& [name, row] : rows) order.push_back(&row);
  const auto ratio = [](const auto* row) { return row->at(runtime::kAllTasks)->ratio.mean; };
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return ratio(a) < ratio(b); });
  std::string table = fmt::format("{:<24} {:>7} {:>8} {:>8} {:>7} {:>8}", "pipeline", "ratio",
                                  "score", "NLL", "top-1", "KL");
  for (const std::string& task : tasks) table += fmt::format(" {:>9}", task);
  table += '\n';
  for (const auto* row : order) {
    const PipelineSummary& all = *row->at(runtime::kAllTasks);
    table += fmt::format("{:<24} {:>7.2f} {:>8} {:>8} {:>7} {:>8.4f}", all.pipeline, all.ratio.mean,
                         percent(all.score_relative.mean), percent(all.nll_relative.mean),
                         percent(all.top1.mean), all.kl.mean);
    for (const std::string& task : tasks) {
      const auto found = row->find(task);
      table += found == row->end() ? fmt::format(" {:>9}", "-")
                                   : fmt::format(" {:>9.4f}", found->second->kl.mean);
    }
    table += '\n';
  }
  return table;
}

}  // namespace sluice::launch
