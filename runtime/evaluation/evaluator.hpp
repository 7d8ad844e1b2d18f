// SPDX-License-Identifier: Apache-2.0
// Many items under many pipelines, on all cores, into a file of outcomes that survives a stop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/pipeline/pipeline.hpp"
#include "runtime/evaluation/measure.hpp"

namespace sluice::runtime {

// Of the model, the item's text, the pipeline's stages and parameters, and of what it reads of the
// profile: equal keys are equal measurements.
std::string outcome_key(std::uint64_t model_fingerprint, const EvaluationItem& item,
                        const kernels::PipelineSpec& spec, const kernels::Profile* profile);

// A JSON line for each outcome, appended as it comes. A line cut off by a stop is left out when it
// is read.
class OutcomeFile {
 public:
  static Result<OutcomeFile> open(const std::filesystem::path& path);
  OutcomeFile(OutcomeFile&&) noexcept;
  OutcomeFile& operator=(OutcomeFile&&) noexcept;
  ~OutcomeFile();

  const Outcome* find(const std::string& key) const;  // null: not measured yet
  Status append(const Outcome& outcome);              // flushed when it returns; one thread

 private:
  struct Parts;
  explicit OutcomeFile(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

struct EvaluationJob {
  EvaluationItem item;
  std::vector<kernels::PipelineSpec> pipelines;  // on this item
};

struct EvaluationOptions {
  int threads = 0;  // 0: all cores
  std::shared_ptr<const kernels::Profile> profile;
  // done, total: of outcomes; what was found in the file counts as done at the start.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
  std::function<bool()> is_cancelled;  // may be empty
};

// All outcomes of the jobs, the full cache's too, in their order: what the file had and what was
// measured now. kCancelled: what was measured until then is in the file.
Result<std::vector<Outcome>> evaluate(std::span<const EvaluationJob> jobs,
                                      const EvaluationModel& model,
                                      const EvaluationOptions& options, OutcomeFile& file);

}  // namespace sluice::runtime
