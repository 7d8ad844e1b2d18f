// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/speed_fit.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>

namespace sluice::runtime {
namespace {

constexpr std::size_t kSamples = 64;
// Of a sample's weight, per later one.
constexpr double kKept = 0.95;
constexpr int kReweightings = 6;
// Errors within so many deviations count in full.
constexpr double kHuber = 1.5;
// Of a term, in what it must explain: twice the logarithm of a likelihood.
constexpr double kTermCost = 2.0;
// What no clock measures better, as a share.
constexpr double kLeastError = 1e-3;

constexpr std::size_t kTerms = 3;  // fixed, linear, square
using Terms = std::array<double, kTerms>;

// A sample's terms over its time: a fit is right where they sum to 1.
struct Row {
  Terms terms = {};
  double kept = 1.0;  // by age
  double weight = 1.0;
};

double error_of(const Row& row, const Terms& factors) {
  return 1.0 - std::inner_product(row.terms.begin(), row.terms.end(), factors.begin(), 0.0);
}

// By Cholesky's method, columns scaled to length 1. Nothing: they are nearly dependent, or a factor
// would be below 0.
std::optional<Terms> fit(std::span<const Row> rows, std::span<const std::size_t> used) {
  std::array<Terms, kTerms> gram = {};
  Terms right = {};
  for (const Row& row : rows) {
    for (const std::size_t i : used) {
      right[i] += row.weight * row.terms[i];
      for (const std::size_t j : used) gram[i][j] += row.weight * row.terms[i] * row.terms[j];
    }
  }
  Terms length = {};
  for (const std::size_t i : used) length[i] = std::sqrt(gram[i][i]);
  std::array<Terms, kTerms> lower = {};
  Terms half = {};
  for (std::size_t a = 0; a < used.size(); ++a) {
    const std::size_t i = used[a];
    if (!(length[i] > 0.0)) return std::nullopt;
    half[a] = right[i] / length[i];
    for (std::size_t b = 0; b <= a; ++b) {
      double left = gram[i][used[b]] / (length[i] * length[used[b]]);
      for (std::size_t c = 0; c < b; ++c) left -= lower[a][c] * lower[b][c];
      if (a == b && left < 1e-7) return std::nullopt;
      lower[a][b] = a == b ? std::sqrt(left) : left / lower[b][b];
    }
    for (std::size_t b = 0; b < a; ++b) half[a] -= lower[a][b] * half[b];
    half[a] /= lower[a][a];
  }
  Terms factors = {};
  for (std::size_t a = used.size(); a-- > 0;) {
    double value = half[a];
    for (std::size_t b = a + 1; b < used.size(); ++b) {
      value -= lower[b][a] * factors[used[b]] * length[used[b]];
    }
    factors[used[a]] = value / lower[a][a] / length[used[a]];
    if (!(factors[used[a]] >= 0.0)) return std::nullopt;
  }
  return factors;
}

// Of the models that may be, the one that explains most for its size.
Terms best_fit(std::span<const Row> rows) {
  static constexpr std::size_t kRate[] = {1};
  static constexpr std::size_t kLine[] = {0, 1};
  static constexpr std::size_t kSquare[] = {1, 2};
  static constexpr std::size_t kAll[] = {0, 1, 2};
  double count = 0.0;
  for (const Row& row : rows) count += row.kept;
  Terms best = {};
  double best_score = INFINITY;
  for (const std::span<const std::size_t> used :
       {std::span<const std::size_t>(kRate), std::span<const std::size_t>(kLine),
        std::span<const std::size_t>(kSquare), std::span<const std::size_t>(kAll)}) {
    const auto factors = fit(rows, used);
    if (!factors) continue;
    double sum = 0.0;
    double weights = 0.0;
    for (const Row& row : rows) {
      sum += row.weight * error_of(row, *factors) * error_of(row, *factors);
      weights += row.weight;
    }
    const double score = count * std::log(sum / weights + kLeastError * kLeastError) +
                         kTermCost * static_cast<double>(used.size());
    if (score < best_score) {
      best = *factors;
      best_score = score;
    }
  }
  return best;
}

// Half of the weights are of values that are not above it.
double median(std::span<const Row> rows, std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  double left = 0.0;
  for (const Row& row : rows) left += 0.5 * row.kept;
  for (const std::size_t i : order) {
    left -= rows[i].kept;
    if (left <= 0.0) return values[i];
  }
  return values[order.back()];
}

// Of what a sample's weight is to be, given how wrong the last fit was there.
void reweight(std::span<Row> rows, const Terms& factors) {
  std::vector<double> errors;
  for (const Row& row : rows) errors.push_back(std::abs(error_of(row, factors)));
  const double deviation = std::max(1.4826 * median(rows, errors), kLeastError);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].weight = rows[i].kept * std::min(1.0, kHuber * deviation / std::max(errors[i], 1e-12));
  }
}

}  // namespace

void SpeedFit::add(std::int64_t tokens, std::int64_t before, double seconds) {
  if (tokens <= 0 || before < 0 || !(seconds > 0.0) || !std::isfinite(seconds)) return;
  const auto count = static_cast<double>(tokens);
  const Sample sample{count, count * (count + 2.0 * static_cast<double>(before)), seconds};
  if (samples_.size() < kSamples) {
    samples_.push_back(sample);
  } else {
    samples_[next_] = sample;
  }
  next_ = (next_ + 1) % kSamples;
}

scheduler::WorkerSpeed SpeedFit::speed() const {
  if (samples_.empty()) return {};
  std::vector<Row> rows;
  std::vector<double> rates;
  double kept = 1.0;
  for (std::size_t i = 0; i < samples_.size(); ++i, kept *= kKept) {  // newest first
    const Sample& sample = samples_[(next_ + 2 * samples_.size() - 1 - i) % samples_.size()];
    rows.push_back(
        {{1.0 / sample.seconds, sample.tokens / sample.seconds, sample.square / sample.seconds},
         kept,
         kept});
    rates.push_back(sample.seconds / sample.tokens);
  }
  Terms factors = {0.0, median(rows, rates), 0.0};
  for (int i = 0; i < kReweightings; ++i) {
    reweight(rows, factors);
    factors = best_fit(rows);
  }
  return {factors[0], factors[1], factors[2]};
}

}  // namespace sluice::runtime
