// SPDX-License-Identifier: Apache-2.0
// Random choices that are the same with every standard library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::runtime {

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Each use has a stream of its own, by name and
// number: what one draws changes nothing for another.
class SeededRandom {
 public:
  SeededRandom(std::uint64_t seed, std::string_view stream, std::uint64_t number = 0);

  std::uint64_t next();
  // 0 .. bound - 1, all equally probable; bound > 0.
  std::size_t below(std::size_t bound);

  template <class T>
  void shuffle(std::vector<T>& values) {  // Fisher and Yates
    for (std::size_t left = values.size(); left > 1; --left) {
      std::swap(values[left - 1], values[below(left)]);
    }
  }

 private:
  std::uint64_t state_;
};

}  // namespace sluice::runtime
