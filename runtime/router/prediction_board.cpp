// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/prediction_board.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sluice::runtime {
namespace {

bool is_time(double seconds) { return std::isfinite(seconds) && seconds > 0.0; }

// By nearest rank: an error that there was.
double quantile(std::vector<double>& values, double share) {
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(std::max(rank, 1.0) - 1.0);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

PredictionAccuracy accuracy_of(std::vector<double> errors) {
  PredictionAccuracy accuracy;
  accuracy.count = static_cast<std::int64_t>(errors.size());
  if (errors.empty()) return accuracy;
  accuracy.error_median = quantile(errors, 0.5);
  accuracy.error_p90 = quantile(errors, 0.9);
  return accuracy;
}

}  // namespace

void PredictionBoard::add(const Sample& sample) {
  if (!is_time(sample.predicted_s) || !is_time(sample.measured_s)) return;
  past_.push_back({std::string(sample.level),
                   std::abs(sample.predicted_s - sample.measured_s) / sample.measured_s});
  if (past_.size() > options_.window) past_.pop_front();

  const double took_s = sample.measured_s - sample.before_s;
  if (!is_time(sample.modelled_s) || !is_time(took_s)) return;
  const double bound = std::log(options_.factor_max);
  const double ratio = std::clamp(std::log(took_s / sample.modelled_s), -bound, bound);
  // The first ones count more than by their weight, but no one alone for much: 1 is a sample too.
  ++samples_;
  const double weight = std::max(options_.weight, 1.0 / static_cast<double>(samples_ + 4));
  log_ratio_ += weight * (ratio - log_ratio_);
}

PredictionAccuracy PredictionBoard::accuracy() const {
  std::vector<double> errors;
  errors.reserve(past_.size());
  for (const Past& past : past_) errors.push_back(past.error);
  return accuracy_of(std::move(errors));
}

std::map<std::string, PredictionAccuracy, std::less<>> PredictionBoard::accuracy_by_level() const {
  std::map<std::string, std::vector<double>, std::less<>> errors;
  for (const Past& past : past_) errors[past.level].push_back(past.error);
  std::map<std::string, PredictionAccuracy, std::less<>> accuracy;
  for (auto& [level, of_level] : errors) accuracy[level] = accuracy_of(std::move(of_level));
  return accuracy;
}

double PredictionBoard::correction() const { return std::exp(log_ratio_); }

}  // namespace sluice::runtime
