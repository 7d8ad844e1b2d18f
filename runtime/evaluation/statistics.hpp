// SPDX-License-Identifier: Apache-2.0
// Means over items, and how sure they are.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/evaluation/outcome.hpp"

namespace sluice::runtime {

struct Interval {
  double mean = 0.0;
  double low = 0.0;  // 95 %
  double high = 0.0;
};

// Percentile bootstrap over items (Efron, 1979), the same items drawn for both sides of a pair;
// deterministic. Ratio of sums: sum(numerators) / sum(denominators).
inline constexpr int kBootstrapDraws = 2000;
Interval bootstrap_mean(std::span<const double> values, std::uint64_t seed = 1);
Interval bootstrap_ratio(std::span<const double> numerators, std::span<const double> denominators,
                         std::uint64_t seed = 1);

inline constexpr const char* kAllTasks = "all";
// In the order of first appearance.
std::vector<std::string> task_names(std::span<const Outcome> outcomes);

// One pipeline on one task's items, or on all of them, each beside the full cache's outcome of the
// same item.
struct PipelineSummary {
  std::string pipeline;
  std::string task;  // "all": over all tasks, each task counting alike
  std::int64_t items = 0;
  Interval ratio;  // mean of the items' ratios
  double bits_per_element = 0.0;
  Interval score;           // mean score
  Interval score_relative;  // over the full cache's, ratio of sums; NaN when that is 0
  Interval exact_match;
  Interval nll;
  Interval nll_relative;  // sum over the full cache's sum; 1: nothing lost
  Interval kl;
  Interval top1;
  Interval own_kl;
  Interval own_top1;
  double encode_bytes_per_s = 0.0;  // of BF16
  double decode_bytes_per_s = 0.0;
};

// Items without a full-cache outcome are left out. By pipeline in the order of first appearance,
// then task, "all" last.
std::vector<PipelineSummary> summarize(std::span<const Outcome> outcomes);

// a - b of `value` over the items that both pipelines have (of `task`, or of all if it is empty):
// who is better, and is it sure.
Interval paired_difference(std::span<const Outcome> outcomes, const std::string& a,
                           const std::string& b, const std::string& task,
                           double (*value)(const Outcome&));

}  // namespace sluice::runtime
