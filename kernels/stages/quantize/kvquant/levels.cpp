// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvquant/levels.hpp"

#include <algorithm>

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {
namespace {

// Enough for 16 centres to settle to BF16 on what caches hold.
constexpr int kIterations = 30;

}  // namespace

void LevelHistogram::add(float value, double weight) {
  const float at = (value + 1.0F) * (static_cast<float>(kBins) / 2.0F);
  const int bin = std::min(std::max(static_cast<int>(at), 0), kBins - 1);
  weight_[static_cast<std::size_t>(bin)] += weight;
  moment_[static_cast<std::size_t>(bin)] += weight * static_cast<double>(value);
}

std::vector<std::uint16_t> LevelHistogram::levels(int count) const {
  double total = 0.0;
  for (const double weight : weight_) total += weight;
  const auto middle = [](int bin) { return (static_cast<double>(bin) + 0.5) * 2.0 / kBins - 1.0; };
  std::vector<double> centres;
  double below = 0.0;
  for (int bin = 0; bin < kBins && static_cast<int>(centres.size()) < count; ++bin) {
    below += weight_[static_cast<std::size_t>(bin)];
    while (static_cast<int>(centres.size()) < count &&
           below * 2.0 * count >= total * (2.0 * static_cast<double>(centres.size()) + 1.0)) {
      centres.push_back(middle(bin));
    }
  }
  centres.resize(static_cast<std::size_t>(count), 1.0);
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    std::vector<double> weights(centres.size(), 0.0);
    std::vector<double> moments(centres.size(), 0.0);
    std::size_t nearest = 0;
    for (int bin = 0; bin < kBins; ++bin) {
      while (nearest + 1 < centres.size() &&
             middle(bin) > (centres[nearest] + centres[nearest + 1]) / 2.0) {
        ++nearest;
      }
      weights[nearest] += weight_[static_cast<std::size_t>(bin)];
      moments[nearest] += moment_[static_cast<std::size_t>(bin)];
    }
    for (std::size_t i = 0; i < centres.size(); ++i) {
      if (weights[i] > 0.0) centres[i] = moments[i] / weights[i];
    }
    std::sort(centres.begin(), centres.end());
  }
  std::vector<std::uint16_t> levels;
  for (const double centre : centres) levels.push_back(bf16_from_f32(static_cast<float>(centre)));
  return levels;
}

std::uint8_t nearest_level(std::span<const float> levels, float value) {
  std::size_t nearest = 0;
  while (nearest + 1 < levels.size() && value > (levels[nearest] + levels[nearest + 1]) * 0.5F) {
    ++nearest;
  }
  return static_cast<std::uint8_t>(nearest);
}

}  // namespace sluice::kernels
