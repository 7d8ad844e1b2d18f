// SPDX-License-Identifier: Apache-2.0
// Many items under many pipelines, on all cores, into a file of outcomes that survives a stop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/pipeline/pipeline.hpp"
#include "runtime/evaluation/measure.hpp"
#include "runtime/evaluation/outcome_file.hpp"
#include "runtime/evaluation/outcome_key.hpp"

namespace sluice::runtime {

struct EvaluationJob {
  EvaluationItem item;
  std::vector<kernels::PipelineSpec> pipelines;  // on this item
};

struct EvaluationOptions {
  int threads = 0;  // 0: all cores
  std::shared_ptr<const kernels::Profile> profile;
  // done, total: of different measurements; what was found in the file counts as done at the start.
  // Any thread, one at a time.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
  std::function<bool()> is_cancelled;  // may be empty; any thread, several at a time
  bool is_report_only = false;         // nothing is measured: the result lacks what the file lacks
};

// All outcomes of the jobs, the full cache's first in each, in their order: what the file had and
// what was measured now. Jobs of one item share its prefill, and what is equal is measured once.
// kCancelled: what was measured until then is in the file. No outcome depends on the threads.
Result<std::vector<Outcome>> evaluate(std::span<const EvaluationJob> jobs,
                                      const EvaluationModel& model,
                                      const EvaluationOptions& options, OutcomeFile& file);

}  // namespace sluice::runtime
