// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/resampling.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "kernels/core/check.hpp"

namespace sluice::runtime {
namespace {

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same on every machine.
class Generator {
 public:
  explicit Generator(std::uint64_t state) : state_(state) {}

  std::uint32_t below(std::uint64_t bound) {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
    mixed ^= mixed >> 31;
    return static_cast<std::uint32_t>(((mixed >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double sum(std::span<const double> values) {
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

double denominator_sum(const Stratum& stratum) {
  return stratum.denominators.empty() ? static_cast<double>(stratum.numerators.size())
                                      : sum(stratum.denominators);
}

// Linear between the two values around it; `sorted` is not empty.
double quantile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto before = static_cast<std::size_t>(place);
  const std::size_t after = std::min(before + 1, sorted.size() - 1);
  return sorted[before] + (place - static_cast<double>(before)) * (sorted[after] - sorted[before]);
}

}  // namespace

const std::vector<std::uint32_t>& Resampler::draws(std::size_t place, std::size_t count) {
  std::vector<std::uint32_t>& indices = draws_[{place, count}];
  if (indices.empty()) {
    SLUICE_CHECK(count < (std::size_t{1} << 32), "items are counted in 32 bits");
    Generator generator(seed_ * 0x100000001B3ULL + place * 0x10001ULL + count);
    indices.resize(kBootstrapDraws * count);
    for (std::uint32_t& index : indices) index = generator.below(count);
  }
  return indices;
}

Interval Resampler::ratio(std::span<const Stratum> strata) {
  double numerator = 0.0;
  double denominator = 0.0;
  std::vector<double> numerators(kBootstrapDraws, 0.0);
  std::vector<double> denominators(kBootstrapDraws, 0.0);
  for (std::size_t place = 0; place < strata.size(); ++place) {
    const Stratum& stratum = strata[place];
    const std::size_t count = stratum.numerators.size();
    if (count == 0) continue;
    const bool has_denominators = !stratum.denominators.empty();
    SLUICE_CHECK(!has_denominators || stratum.denominators.size() == count,
                 "a denominator for each numerator");
    const double share = 1.0 / static_cast<double>(count);
    numerator += share * sum(stratum.numerators);
    denominator += share * denominator_sum(stratum);
    const std::uint32_t* index = draws(place, count).data();
    for (int draw = 0; draw < kBootstrapDraws; ++draw) {
      double above = 0.0;
      double below = has_denominators ? 0.0 : static_cast<double>(count);
      for (std::size_t i = 0; i < count; ++i, ++index) {
        above += stratum.numerators[*index];
        if (has_denominators) below += stratum.denominators[*index];
      }
      numerators[static_cast<std::size_t>(draw)] += share * above;
      denominators[static_cast<std::size_t>(draw)] += share * below;
    }
  }
  if (denominator == 0.0) return {kNan, kNan, kNan};
  std::vector<double> ratios;
  ratios.reserve(kBootstrapDraws);
  for (std::size_t draw = 0; draw < kBootstrapDraws; ++draw) {
    const double value = numerators[draw] / denominators[draw];
    if (std::isfinite(value)) ratios.push_back(value);
  }
  const double mean = numerator / denominator;
  if (ratios.empty()) return {mean, kNan, kNan};
  std::sort(ratios.begin(), ratios.end());
  return {mean, quantile(ratios, 0.025), quantile(ratios, 0.975)};
}

}  // namespace sluice::runtime
