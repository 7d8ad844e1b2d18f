// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "runtime/report/figure_text.hpp"
#include "runtime/report/study_tables.hpp"

namespace sluice::runtime {
namespace {

const char* verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSurely:
      return "surely";
    case Verdict::kProbably:
      return "probably";
    case Verdict::kNo:
      return "**no**";
  }
  return "";
}

// "surely", and the tasks on which it is otherwise: "surely (mmlu: probably)".
std::string verdict_cell(const std::vector<EqualBytes>& results, Verdict EqualBytes::*by) {
  const Verdict all = results.back().*by;
  std::string others;
  for (std::size_t i = 0; i + 1 < results.size(); ++i) {
    if (results[i].*by == all) continue;
    others += (others.empty() ? "" : ", ") + markdown_text(results[i].task) + ": " +
              verdict_text(results[i].*by);
  }
  return verdict_text(all) + (others.empty() ? "" : " (" + others + ")");
}

// "20.2", or what lies beyond the levels.
std::string equal_loss_text(const std::vector<PipelineSummary>& levels, double kl) {
  const double ratio = ratio_at_equal_kl(levels, kl);
  const auto [lowest, highest] = std::minmax_element(
      levels.begin(), levels.end(), [](const PipelineSummary& a, const PipelineSummary& b) {
        return a.ratio.mean < b.ratio.mean;
      });
  if (ratio == 0.0) return "below " + ratio_text(lowest->ratio.mean);
  return std::isinf(ratio) ? "over " + ratio_text(highest->ratio.mean) : ratio_text(ratio);
}

std::string equal_bytes_row(const std::string& label, const std::vector<EqualBytes>& results,
                            const std::string& ratio_at_equal_loss) {
  const EqualBytes& all = results.back();
  const double times = all.family_kl.mean > 0.0 ? all.kl.mean / all.family_kl.mean : 0.0;
  return "| " + markdown_text(label) + " | " + ratio_text(all.ratio) + " | " + mean_text(all.kl) +
         " | " + mean_text(all.family_kl) + " | " +
         (times > 0.0 ? fixed_text(times, times < 9.95 ? 1 : 0) : kNoFigure) + " | " +
         ratio_at_equal_loss + " | " + interval_text(all.nll_difference, {.is_signed = true}) +
         " | " + verdict_cell(results, &EqualBytes::by_kl) + " | " +
         verdict_cell(results, &EqualBytes::by_nll) + " |\n";
}

std::string family_table(const StudyFigures& figures, const StudyFamily& family) {
  std::vector<PipelineSummary> levels;
  for (const std::string& level : family.levels) levels.push_back(*figures.find(level, kAllTasks));
  std::string rows;
  int others = 0;
  int sure = 0;
  int sure_on_each = 0;
  for (const StudyRow& row : figures.rows()) {
    if (std::find(family.levels.begin(), family.levels.end(), row.pipeline) !=
        family.levels.end()) {
      continue;
    }
    const std::vector<EqualBytes> results =
        compare_at_equal_bytes(figures.outcomes(), family.levels, row.pipeline);
    // What loses nothing cannot be beaten.
    if (results.empty() || results.back().kl.mean == 0.0) continue;
    rows += equal_bytes_row(row.label, results, equal_loss_text(levels, results.back().kl.mean));
    ++others;
    sure += results.back().by_kl == Verdict::kSurely;
    sure_on_each += std::all_of(results.begin(), results.end(), [](const EqualBytes& result) {
      return result.by_kl == Verdict::kSurely;
    });
  }
  if (others == 0) return "";
  const std::string name = "`" + family.name + "`";
  return "By KL, " + name + " is surely better than " + std::to_string(sure) + " of " +
         std::to_string(others) + " pipelines at equal bytes over all tasks, and than " +
         std::to_string(sure_on_each) +
         " on each single task. Its loss at another's ratio lies between its two levels around "
         "that ratio, item by item (log KL and NLL, linear in the logarithm of the ratio); below "
         "its lowest ratio its largest level stands for it, in fewer bytes. *Surely*: the whole "
         "95 % interval of the paired difference is on its side, of six items of a task or more; "
         "*probably*: the mean is.\n\n"
         "| pipeline | ratio | KL | KL of " +
         name + " | times less | ratio at equal KL | NLL of " + name +
         " less its, nats | better by KL | better by NLL |\n"
         "|---|---:|---:|---:|---:|---:|---:|---|---|\n" +
         rows;
}

}  // namespace

std::string equal_bytes_table(const StudyFigures& figures) {
  std::string text;
  for (const StudyFamily& family : figures.families()) {
    const std::string table = family_table(figures, family);
    if (!text.empty() && !table.empty()) text += "\n";
    text += table;
  }
  return text;
}

}  // namespace sluice::runtime
