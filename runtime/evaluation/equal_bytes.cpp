// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/equal_bytes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "runtime/evaluation/resampling.hpp"

namespace sluice::runtime {
namespace {

// Below it nothing is told apart: the logits are 32-bit. It keeps log KL finite.
constexpr double kKlMin = 1e-9;

struct Loss {
  double kl;
  double nll;
};

// The family's on one item at `ratio`; `levels` by ratio.
std::optional<Loss> family_loss(const std::vector<const Outcome*>& levels, double ratio) {
  if (levels.empty() || ratio > levels.back()->ratio()) return std::nullopt;
  const auto above = std::find_if(levels.begin(), levels.end(), [ratio](const Outcome* level) {
    return level->ratio() >= ratio;
  });
  const Outcome& high = **above;
  if (above == levels.begin()) return Loss{high.kl, high.nll};
  const Outcome& low = **(above - 1);
  const double span = std::log(high.ratio() / low.ratio());
  const double share = span > 0.0 ? std::log(ratio / low.ratio()) / span : 1.0;
  const double log_low = std::log(std::max(low.kl, kKlMin));
  const double log_high = std::log(std::max(high.kl, kKlMin));
  return Loss{std::exp(log_low + share * (log_high - log_low)),
              low.nll + share * (high.nll - low.nll)};
}

struct Columns {
  Stratum ratio, kl, family_kl, kl_difference, nll_difference;
};

Verdict verdict_of(const Interval& difference, std::int64_t items_of_smallest_task) {
  if (difference.high < 0.0 && items_of_smallest_task >= kItemsMin) return Verdict::kSurely;
  return difference.mean < 0.0 ? Verdict::kProbably : Verdict::kNo;
}

EqualBytes compare(std::span<const Columns> tasks, Resampler& resampler) {
  const auto mean = [&](Stratum Columns::*column) {
    std::vector<Stratum> strata;
    for (const Columns& task : tasks) strata.push_back(task.*column);
    return resampler.ratio(strata);
  };
  EqualBytes result;
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (const Columns& task : tasks) {
    const auto items = static_cast<std::int64_t>(task.kl.numerators.size());
    result.items += items;
    if (items > 0) fewest = std::min(fewest, items);
  }
  result.ratio = mean(&Columns::ratio).mean;
  result.kl = mean(&Columns::kl);
  result.family_kl = mean(&Columns::family_kl);
  result.kl_difference = mean(&Columns::kl_difference);
  result.nll_difference = mean(&Columns::nll_difference);
  result.by_kl = verdict_of(result.kl_difference, fewest);
  result.by_nll = verdict_of(result.nll_difference, fewest);
  return result;
}

using ItemName = std::pair<std::string, std::string>;  // task, id
using Levels = std::map<ItemName, std::vector<const Outcome*>>;

// Of the items that have all levels, by ratio.
Levels levels_by_item(std::span<const Outcome> outcomes, std::span<const std::string> names) {
  Levels levels;
  for (const std::string& name : names) {
    std::map<ItemName, const Outcome*> of_level;
    for (const Outcome& outcome : outcomes) {
      if (outcome.pipeline == name) of_level[{outcome.task, outcome.item}] = &outcome;
    }
    for (const auto& [item, outcome] : of_level) levels[item].push_back(outcome);
  }
  std::erase_if(levels, [&](const auto& entry) { return entry.second.size() < names.size(); });
  for (auto& [item, list] : levels) {
    std::stable_sort(list.begin(), list.end(),
                     [](const Outcome* a, const Outcome* b) { return a->ratio() < b->ratio(); });
  }
  return levels;
}

}  // namespace

double ratio_at_equal_kl(std::span<const PipelineSummary> levels, double kl) {
  std::vector<std::pair<double, double>> points;  // log KL, log ratio
  for (const PipelineSummary& level : levels) {
    points.emplace_back(std::log(std::max(level.kl.mean, kKlMin)), std::log(level.ratio.mean));
  }
  std::sort(points.begin(), points.end());
  const double log_kl = std::log(std::max(kl, kKlMin));
  if (points.empty() || log_kl < points.front().first) return 0.0;
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& [low, low_ratio] = points[i - 1];
    const auto& [high, high_ratio] = points[i];
    if (log_kl > high) continue;
    const double share = high > low ? (log_kl - low) / (high - low) : 1.0;
    return std::exp(low_ratio + share * (high_ratio - low_ratio));
  }
  return log_kl > points.back().first ? std::numeric_limits<double>::infinity()
                                      : std::exp(points.back().second);
}

std::vector<EqualBytes> compare_at_equal_bytes(std::span<const Outcome> outcomes,
                                               std::span<const std::string> levels,
                                               const std::string& pipeline) {
  const Levels family = levels_by_item(outcomes, levels);
  const std::vector<std::string> tasks = task_names(outcomes);
  std::vector<Columns> columns(tasks.size());
  for (const Outcome& other : outcomes) {
    const auto of_item = family.find({other.task, other.item});
    if (other.pipeline != pipeline || of_item == family.end()) continue;
    const std::optional<Loss> loss = family_loss(of_item->second, other.ratio());
    if (!loss) continue;
    const auto place = std::find(tasks.begin(), tasks.end(), other.task) - tasks.begin();
    Columns& task = columns[static_cast<std::size_t>(place)];
    task.ratio.numerators.push_back(other.ratio());
    task.kl.numerators.push_back(other.kl);
    task.family_kl.numerators.push_back(loss->kl);
    task.kl_difference.numerators.push_back(loss->kl - other.kl);
    task.nll_difference.numerators.push_back(loss->nll - other.nll);
  }
  Resampler resampler(1);
  std::vector<EqualBytes> results;
  const auto add = [&](const std::string& task, std::span<const Columns> of) {
    EqualBytes result = compare(of, resampler);
    if (result.items == 0) return;
    result.pipeline = pipeline;
    result.task = task;
    results.push_back(std::move(result));
  };
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    add(tasks[task], {&columns[task], 1});
  }
  add(kAllTasks, columns);
  return results;
}

}  // namespace sluice::runtime
