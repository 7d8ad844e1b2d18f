// SPDX-License-Identifier: Apache-2.0
// Non-uniform levels for numbers in [-1, 1]: where a weighted k-means puts its centres.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::kernels {

// A weighted histogram of [-1, 1]. Sums are in the order of add: the same on every machine.
class LevelHistogram {
 public:
  static constexpr int kBins = 512;

  // `value` in [-1, 1]. Weights are squares of FP32 numbers, which need FP64's range.
  void add(float value, double weight);

  // `count` centres, ascending, by Lloyd's iteration from even quantiles; BF16 bits.
  std::vector<std::uint16_t> levels(int count) const;

 private:
  std::array<double, kBins> weight_{};
  std::array<double, kBins> moment_{};  // weight times value
};

// The index of the level nearest to `value`; `levels` ascending, the lower of two equally near.
std::uint8_t nearest_level(std::span<const float> levels, float value);

}  // namespace sluice::kernels
