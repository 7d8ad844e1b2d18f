// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/seeded_random.hpp"

#include <limits>

#include "kernels/core/check.hpp"

namespace sluice::runtime {

SeededRandom::SeededRandom(std::uint64_t seed, std::string_view stream, std::uint64_t number)
    : state_(seed) {
  // FNV-1a over the name; the generator's own mixing spreads it.
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : stream) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  state_ = next() ^ hash;
  state_ = next() ^ number;
}

std::uint64_t SeededRandom::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

std::size_t SeededRandom::below(std::size_t bound) {
  SLUICE_CHECK(bound > 0, "a choice among nothing");
  // The last, incomplete round of numbers is thrown away: it would favour small ones.
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t whole = kMost - kMost % bound;
  std::uint64_t drawn = next();
  while (drawn >= whole) drawn = next();
  return static_cast<std::size_t>(drawn % bound);
}

}  // namespace sluice::runtime
