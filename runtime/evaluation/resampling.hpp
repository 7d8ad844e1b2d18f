// SPDX-License-Identifier: Apache-2.0
// Bootstrap by task: items are drawn again within each task, and the tasks count alike.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {

// What one task's items gave. Without denominators each is 1, so that the ratio is a mean.
struct Stratum {
  std::vector<double> numerators;
  std::vector<double> denominators;
};

// Equal sizes in equal places draw equal items, so that two pipelines' intervals and the interval
// of their difference come from the same draws. One thread.
class Resampler {
 public:
  explicit Resampler(std::uint64_t seed) : seed_(seed) {}

  // sum over strata of mean(numerators), over the same of the denominators. NaN when there is no
  // item or the denominators are 0; a draw in which they are 0 does not count.
  Interval ratio(std::span<const Stratum> strata);

 private:
  // kBootstrapDraws times `count` indices below `count`.
  const std::vector<std::uint32_t>& draws(std::size_t place, std::size_t count);

  std::uint64_t seed_;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<std::uint32_t>> draws_;
};

}  // namespace sluice::runtime
