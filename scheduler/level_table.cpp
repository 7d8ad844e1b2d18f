// SPDX-License-Identifier: Apache-2.0
#include "scheduler/level_table.hpp"

#include <algorithm>
#include <array>
#include <functional>

namespace sluice::scheduler {
namespace {

// What a level costs; less is better. Bytes are a line over the length: nowhere above another one
// if it is not above it at one token, nor steeper.
std::array<double, 6> costs_of(const Level& level) {
  return {level.bytes(1),
          level.bytes_per_token,
          level.encode_s_per_token,
          level.decode_s_per_token,
          level.kl,
          level.is_streaming ? 0.0 : 1.0};
}

bool is_nowhere_worse(const std::array<double, 6>& one, const std::array<double, 6>& other) {
  return std::equal(one.begin(), one.end(), other.begin(), std::less_equal<>());
}

}  // namespace

std::vector<Level> efficient_levels(std::vector<Level> levels) {
  std::vector<Level> kept;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto costs = costs_of(levels[i]);
    bool is_beaten = false;
    for (std::size_t j = 0; j < levels.size() && !is_beaten; ++j) {
      const auto others = costs_of(levels[j]);
      is_beaten = j != i && is_nowhere_worse(others, costs) && (others != costs || j < i);
    }
    if (!is_beaten) kept.push_back(levels[i]);
  }
  std::stable_sort(kept.begin(), kept.end(), [](const Level& a, const Level& b) {
    return a.bytes_per_token > b.bytes_per_token;
  });
  return kept;
}

}  // namespace sluice::scheduler
