// SPDX-License-Identifier: Apache-2.0
// Summaries of studies as JSON: what programs read of a report.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {

// What the figures are of, for the head of a report.
struct EvalSubject {
  std::string model;
  std::string fingerprint;
  std::string data;                // a folder, or what stands for it
  std::vector<std::string> notes;  // sentences
};

struct StudySummaries {
  std::string name;
  std::string title;
  std::vector<PipelineSummary> summaries;
};

// One object and a line break; what is not a number is null.
std::string summary_json(const EvalSubject& subject, std::span<const StudySummaries> studies);

}  // namespace sluice::runtime
