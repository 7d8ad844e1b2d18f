// SPDX-License-Identifier: Apache-2.0
// Jobs as what is still to be measured: each item once, each measurement once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/evaluation/evaluator.hpp"

namespace sluice::runtime {

struct PlannedMeasurement {
  const kernels::Pipeline* pipeline = nullptr;
  std::string key;
};
struct PlannedItem {
  const EvaluationItem* item = nullptr;
  std::string full_key;
  bool lacks_full = false;
  std::vector<PlannedMeasurement> measurements;
};

class EvaluationPlan {
 public:
  // Borrows the jobs. The errors of Pipeline::create, with the pipeline's name.
  static Result<EvaluationPlan> make(std::span<const EvaluationJob> jobs,
                                     const EvaluationModel& model,
                                     const std::shared_ptr<const kernels::Profile>& profile,
                                     const OutcomeFile& file);

  std::span<const PlannedItem> items() const { return items_; }  // that lack something
  std::int64_t total() const { return total_; }                  // different measurements
  std::int64_t done() const { return done_; }                    // of them already in the file

  // Of all jobs, under the names that the jobs have for them. Once the file has all.
  std::vector<Outcome> collect(const OutcomeFile& file) const;

 private:
  struct JobKeys {
    const EvaluationJob* job = nullptr;
    std::string full_key;
    std::vector<std::string> keys;  // by pipeline
  };

  std::vector<std::unique_ptr<const kernels::Pipeline>> pipelines_;
  std::vector<JobKeys> jobs_;
  std::vector<PlannedItem> items_;
  std::int64_t total_ = 0;
  std::int64_t done_ = 0;
};

}  // namespace sluice::runtime
