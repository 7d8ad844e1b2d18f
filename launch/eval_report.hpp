// SPDX-License-Identifier: Apache-2.0
// What `sluice eval` leaves behind: a report as Markdown, HTML and JSON, and a table.
// Private to the sources beside it.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/config/study_config.hpp"
#include "runtime/evaluation/outcome.hpp"
#include "runtime/evaluation/summary_json.hpp"

namespace sluice::launch {

struct EvaluatedStudy {
  runtime::Study study;
  std::vector<runtime::Outcome> outcomes;
};

using runtime::EvalSubject;

// report.md, report.html, report.json and the pictures, in a folder that is there.
Status write_eval_report(const std::filesystem::path& folder, const EvalSubject& subject,
                         std::span<const EvaluatedStudy> studies);

// For the terminal: a line a pipeline, by ratio; the divergence by task.
std::string eval_table(const EvaluatedStudy& study);

}  // namespace sluice::launch
