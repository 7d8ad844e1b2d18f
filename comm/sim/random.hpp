// SPDX-License-Identifier: Apache-2.0
// Random draws that are the same for a seed on every machine: the library's distributions are not.
#pragma once

#include <cstdint>
#include <random>

namespace sluice::comm::sim {

class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t next() { return engine_(); }
  // 0 to `bound` - 1; 0 for a bound of 0. The bias of the remainder is of no matter here.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : engine_() % bound; }
  // Both ends included.
  std::int64_t between(std::int64_t first, std::int64_t last) {
    return first + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(last - first) + 1));
  }
  bool chance(double probability) {
    constexpr double kUnit = 1.0 / 9007199254740992.0;  // 2^-53: the quotient is exact
    return static_cast<double>(engine_() >> 11) * kUnit < probability;
  }

 private:
  std::mt19937_64 engine_;  // its sequence is fixed by the C++ standard
};

}  // namespace sluice::comm::sim
