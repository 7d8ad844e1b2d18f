// SPDX-License-Identifier: Apache-2.0
// What `sluice eval` was asked for, as studies and the items they ask.
// Private to the sources beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/eval.hpp"
#include "launch/rank.hpp"
#include "runtime/config/study_config.hpp"
#include "runtime/evaluation/evaluator.hpp"

namespace sluice::launch {

// The ones named, or one made of the tasks and pipelines. An error is a sentence for the user.
Result<std::vector<runtime::Study>> studies_for(const EvalOptions& options);

// Prompts in the model's chat template; as they are, if it has none.
runtime::EvaluationModel evaluation_model(const LoadedModel& model);

struct StudyJobs {
  std::vector<runtime::EvaluationJob> jobs;
  std::int64_t too_long = 0;  // items left out: over the model's context
};
Result<StudyJobs> jobs_for(const runtime::Study& study, const EvalOptions& options,
                           const LoadedModel& model);

}  // namespace sluice::launch
