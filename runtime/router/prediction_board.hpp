// SPDX-License-Identifier: Apache-2.0
// What was predicted of the time to first token, against what happened. Pure: no clock, no thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace sluice::runtime {

struct PredictionAccuracy {
  std::int64_t count = 0;     // of the window
  double error_median = 0.0;  // of |predicted - measured| / measured
  double error_p90 = 0.0;
};

struct PredictionBoardOptions {
  std::size_t window = 512;  // of requests; errors before them are forgotten
  // The correction's weight for one request more: it follows a change within some 3 / weight.
  double weight = 1.0 / 12;
  // The correction stays within 1 / factor and factor: what is wrong by more is not a machine that
  // is slow but a model that is wrong, and one request counts for no more than this either.
  double factor_max = 2.0;
};

class PredictionBoard {
 public:
  using Options = PredictionBoardOptions;
  struct Sample {
    std::string_view level;    // its pipeline's name
    double modelled_s = 0.0;   // from placement to first token, before any correction
    double predicted_s = 0.0;  // from submission to first token, as it was told
    double measured_s = 0.0;   // the same, as it happened
    double before_s = 0.0;     // of both: from submission to placement
  };

  explicit PredictionBoard(Options options = {}) : options_(options) {}

  // What has no prediction, or times that are no times, is not counted.
  void add(const Sample& sample);

  PredictionAccuracy accuracy() const;
  // Of each level in the window.
  std::map<std::string, PredictionAccuracy, std::less<>> accuracy_by_level() const;

  // By what modelled times are to be multiplied: the exponential mean of measured over modelled, as
  // logarithms. 1 before there is a sample.
  double correction() const;

 private:
  struct Past {
    std::string level;
    double error = 0.0;
  };

  Options options_;
  std::deque<Past> past_;
  double log_ratio_ = 0.0;
  std::int64_t samples_ = 0;
};

}  // namespace sluice::runtime
