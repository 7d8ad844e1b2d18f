// SPDX-License-Identifier: Apache-2.0
// A decision log read back: one row a request, its decision beside what came of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct DecisionRow {
  double time_s = 0.0;  // since 1970, of the decision
  std::uint64_t request = 0;
  std::int64_t attempts = 0;
  std::string policy;
  std::string verdict;  // of the last decision: "place", "local", "wait", "reject"
  std::string reason;
  std::string slo_class;
  std::int64_t prefill_node = -1;  // -1: none
  std::int64_t decode_node = -1;
  std::string level;  // as it was decided
  std::string sent;   // the levels that went, where they changed on the way
  std::int64_t prompt_tokens = 0;
  double waited_s = 0.0;
  double kl = 0.0;
  double ttft_slo_s = 0.0;     // of its class; 0: none
  double predicted_s = 0.0;    // of the time from submission to first token; 0: not predicted
  double measured_s = 0.0;     // 0: no token is known of
  double retry_after_s = 0.0;  // of a rejection
  // The soonest of the ways that were not taken, as it reads, and what it would have taken in all.
  std::string alternative;
  double alternative_s = 0.0;

  bool has_error() const { return predicted_s > 0.0 && measured_s > 0.0; }
  double error() const { return (predicted_s - measured_s) / measured_s; }
};

struct DecisionHistory {
  std::vector<DecisionRow> rows;  // in the order of their first decisions
  std::int64_t lost_lines = 0;    // as the log says
  std::int64_t odd_lines = 0;     // not JSON, or not of a decision log: cut off by a full disk
};

DecisionHistory read_decisions(std::istream& log);
// kNotFound when the file cannot be read.
Result<DecisionHistory> read_decisions(const std::filesystem::path& path);

// Rows of one policy, verdict and level together, in the order of the policies' appearance, then
// by descending number.
struct DecisionGroup {
  std::string policy;
  std::string verdict;
  std::string level;
  std::int64_t requests = 0;
  std::int64_t answered = 0;
  std::int64_t in_time = 0;  // of the answered: within their class's objective
  double ttft_median_s = 0.0;
  double ttft_p99_s = 0.0;
  std::int64_t predicted = 0;  // of the answered: those with a prediction
  double error_median = 0.0;   // absolute, by what was measured
  double error_p90 = 0.0;
};
std::vector<DecisionGroup> group_decisions(const std::vector<DecisionRow>& rows);
// All of them as one; its verdict and level are empty.
DecisionGroup sum_up_decisions(const std::vector<DecisionRow>& rows);

}  // namespace sluice::runtime
