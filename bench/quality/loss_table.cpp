// SPDX-License-Identifier: Apache-2.0
#include "bench/quality/loss_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::bench {
namespace {

constexpr double MeanLoss::*kMeans[] = {&MeanLoss::ratio,   &MeanLoss::nll_full, &MeanLoss::nll,
                                        &MeanLoss::kl,      &MeanLoss::top1,     &MeanLoss::own_kl,
                                        &MeanLoss::own_top1};
constexpr double Loss::*kValues[] = {&Loss::ratio, &Loss::nll_full, &Loss::nll,     &Loss::kl,
                                     &Loss::top1,  &Loss::own_kl,   &Loss::own_top1};

void add(const Loss& loss, MeanLoss& mean) {
  ++mean.items;
  for (std::size_t i = 0; i < std::size(kMeans); ++i) mean.*kMeans[i] += loss.*kValues[i];
}

void divide(MeanLoss& mean) {
  for (const auto field : kMeans) mean.*field /= static_cast<double>(mean.items);
}

}  // namespace

std::vector<PipelineLoss> mean_losses(std::span<const Loss> losses) {
  std::map<std::string, PipelineLoss> by_name;
  for (const Loss& loss : losses) {
    PipelineLoss& row = by_name[loss.pipeline];
    row.pipeline = loss.pipeline;
    add(loss, row.all);
    add(loss, row.tasks[loss.task]);
  }
  std::vector<PipelineLoss> rows;
  for (auto& [name, row] : by_name) {
    divide(row.all);
    for (auto& [task, mean] : row.tasks) divide(mean);
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const PipelineLoss& a, const PipelineLoss& b) {
    return a.all.ratio < b.all.ratio;
  });
  return rows;
}

std::string loss_table(std::span<const PipelineLoss> rows) {
  if (rows.empty()) return {};
  std::string head = "| pipeline | ratio | KL | top-1 | KL own | top-1 own | NLL all |";
  std::string line = "|---|---|---|---|---|---|---|";
  for (const auto& [task, mean] : rows.front().tasks) {
    head += fmt::format(" {} |", task);
    line += "---|";
  }
  std::string table = head + "\n" + line + "\n";
  for (const PipelineLoss& row : rows) {
    const MeanLoss& all = row.all;
    table += fmt::format("| {} | {:.2f} | {:.4f} | {:.3f} | {:.4f} | {:.3f} | {:+.1f} % |",
                         row.pipeline, all.ratio, all.kl, all.top1, all.own_kl, all.own_top1,
                         100.0 * all.nll_change());
    for (const auto& [task, mean] : row.tasks) {
      table += fmt::format(" {:+.1f} % |", 100.0 * mean.nll_change());
    }
    table += '\n';
  }
  return table;
}

}  // namespace sluice::bench
