// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/statistics.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/evaluation/resampling.hpp"

namespace sluice::runtime {
namespace {

constexpr std::uint64_t kSeed = 1;

// An item's outcome beside the full cache's.
struct Pair {
  const Outcome* outcome;
  const Outcome* full;
};
using Pairs = std::vector<Pair>;

using ItemName = std::pair<std::string, std::string>;  // task, id

ItemName name_of(const Outcome& outcome) { return {outcome.task, outcome.item}; }

std::map<ItemName, const Outcome*> outcomes_of(std::span<const Outcome> outcomes,
                                               const std::string& pipeline) {
  std::map<ItemName, const Outcome*> found;
  for (const Outcome& outcome : outcomes) {
    if (outcome.pipeline == pipeline) found[name_of(outcome)] = &outcome;
  }
  return found;
}

using Value = double (*)(const Outcome&);

Interval mean_of(std::span<const Pairs> tasks, Resampler& resampler, Value value) {
  std::vector<Stratum> strata(tasks.size());
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    for (const Pair& pair : tasks[task]) strata[task].numerators.push_back(value(*pair.outcome));
  }
  return resampler.ratio(strata);
}

Interval relative_of(std::span<const Pairs> tasks, Resampler& resampler, Value value) {
  std::vector<Stratum> strata(tasks.size());
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    for (const Pair& pair : tasks[task]) {
      strata[task].numerators.push_back(value(*pair.outcome));
      strata[task].denominators.push_back(value(*pair.full));
    }
  }
  return resampler.ratio(strata);
}

double bytes_per_s(std::span<const Pairs> tasks, double Outcome::*seconds) {
  double bytes = 0.0;
  double time = 0.0;
  for (const Pairs& pairs : tasks) {
    for (const Pair& pair : pairs) {
      bytes += static_cast<double>(pair.outcome->raw_bytes);
      time += pair.outcome->*seconds;
    }
  }
  return time > 0.0 ? bytes / time : 0.0;
}

PipelineSummary summary_of(std::span<const Pairs> tasks, Resampler& resampler) {
  const auto mean = [&](Value value) { return mean_of(tasks, resampler, value); };
  PipelineSummary summary;
  for (const Pairs& pairs : tasks) summary.items += static_cast<std::int64_t>(pairs.size());
  summary.ratio = mean([](const Outcome& o) { return o.ratio(); });
  summary.bits_per_element = mean([](const Outcome& o) { return 16.0 / o.ratio(); }).mean;
  summary.score = mean([](const Outcome& o) { return o.score; });
  summary.score_relative = relative_of(tasks, resampler, [](const Outcome& o) { return o.score; });
  summary.exact_match = mean([](const Outcome& o) { return o.exact_match; });
  summary.nll = mean([](const Outcome& o) { return o.nll; });
  summary.nll_relative = relative_of(tasks, resampler, [](const Outcome& o) { return o.nll; });
  summary.kl = mean([](const Outcome& o) { return o.kl; });
  summary.top1 = mean([](const Outcome& o) { return o.top1; });
  summary.own_kl = mean([](const Outcome& o) { return o.own_kl; });
  summary.own_top1 = mean([](const Outcome& o) { return o.own_top1; });
  summary.encode_bytes_per_s = bytes_per_s(tasks, &Outcome::encode_s);
  summary.decode_bytes_per_s = bytes_per_s(tasks, &Outcome::decode_s);
  return summary;
}

template <typename Get>
std::vector<std::string> in_order(std::span<const Outcome> outcomes, Get get) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const Outcome& outcome : outcomes) {
    if (seen.insert(get(outcome)).second) names.push_back(get(outcome));
  }
  return names;
}

}  // namespace

Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed) {
  const Stratum stratum{{values.begin(), values.end()}, {}};
  return Resampler(seed).ratio({&stratum, 1});
}

Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators,
                         std::uint64_t seed) {
  const Stratum stratum{{numerators.begin(), numerators.end()},
                        {denominators.begin(), denominators.end()}};
  return Resampler(seed).ratio({&stratum, 1});
}

std::vector<std::string> task_names(std::span<const Outcome> outcomes) {
  return in_order(outcomes, [](const Outcome& outcome) { return outcome.task; });
}

std::vector<PipelineSummary> summarize(std::span<const Outcome> outcomes) {
  const std::map<ItemName, const Outcome*> full = outcomes_of(outcomes, kFullCache);
  const std::vector<std::string> tasks = task_names(outcomes);
  Resampler resampler(kSeed);
  std::vector<PipelineSummary> summaries;
  for (const std::string& pipeline :
       in_order(outcomes, [](const Outcome& outcome) { return outcome.pipeline; })) {
    std::vector<Pairs> pairs(tasks.size());
    for (const auto& [item, outcome] : outcomes_of(outcomes, pipeline)) {
      const auto whole = full.find(item);
      if (whole == full.end()) continue;
      const auto task = std::find(tasks.begin(), tasks.end(), item.first) - tasks.begin();
      pairs[static_cast<std::size_t>(task)].push_back({outcome, whole->second});
    }
    const auto add = [&](const std::string& task, std::span<const Pairs> of) {
      PipelineSummary summary = summary_of(of, resampler);
      if (summary.items == 0) return;
      summary.pipeline = pipeline;
      summary.task = task;
      summaries.push_back(std::move(summary));
    };
    for (std::size_t task = 0; task < tasks.size(); ++task) {
      add(tasks[task], {&pairs[task], 1});
    }
    add(kAllTasks, pairs);
  }
  return summaries;
}

Interval paired_difference(std::span<const Outcome> outcomes, const std::string& a,
                           const std::string& b, const std::string& task,
                           double (*value)(const Outcome&)) {
  const std::map<ItemName, const Outcome*> others = outcomes_of(outcomes, b);
  std::map<std::string, Stratum> strata;
  for (const auto& [item, outcome] : outcomes_of(outcomes, a)) {
    const auto other = others.find(item);
    if (other == others.end() || (!task.empty() && item.first != task)) continue;
    strata[item.first].numerators.push_back(value(*outcome) - value(*other->second));
  }
  std::vector<Stratum> list;
  for (auto& [name, stratum] : strata) list.push_back(std::move(stratum));
  return Resampler(kSeed).ratio(list);
}

}  // namespace sluice::runtime
