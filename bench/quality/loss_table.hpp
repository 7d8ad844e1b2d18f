// SPDX-License-Identifier: Apache-2.0
// Losses of many items, by pipeline and task.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "bench/quality/loss.hpp"

namespace sluice::bench {

struct MeanLoss {
  std::int64_t items = 0;
  double ratio = 0.0;  // of all items' bytes would weigh long prompts; this is the mean of ratios
  double nll_full = 0.0;
  double nll = 0.0;
  double kl = 0.0;
  double top1 = 0.0;
  double own_kl = 0.0;
  double own_top1 = 0.0;

  // Of the means: an item whose answer is nearly certain cannot make it huge.
  double nll_change() const { return nll / nll_full - 1.0; }
};

struct PipelineLoss {
  std::string pipeline;
  MeanLoss all;
  std::map<std::string, MeanLoss> tasks;
};

// Ascending by ratio.
std::vector<PipelineLoss> mean_losses(std::span<const Loss> losses);

// Markdown.
std::string loss_table(std::span<const PipelineLoss> rows);

}  // namespace sluice::bench
