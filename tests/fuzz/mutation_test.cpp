// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: a fixed sequence of damaged seeds, the same everywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "tests/fuzz/fuzz_target.hpp"

namespace sluice::fuzz {
namespace {

constexpr int kRoundsPerSeed = 1500;

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string damaged(std::string input) {
    const std::size_t changes = 1 + below(4);
    for (std::size_t i = 0; i < changes && !input.empty(); ++i) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

  void change(std::string& input) {
    const std::size_t at = below(input.size());
    switch (below(7)) {
      case 0:
        input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        input[at] = static_cast<char>(below(256));
        break;
      case 2:
        put_number(input, at);
        break;
      case 3:
        input.resize(at);
        break;
      case 4:
        input.erase(at, 1 + below(16));
        break;
      case 5:
        input.insert(at, input.substr(below(input.size()), 1 + below(32)));
        break;
      default:
        input.insert(at, 1 + below(8), static_cast<char>(below(256)));
    }
  }

  // Numbers at which sizes and signs go wrong, in a field of some width.
  void put_number(std::string& input, std::size_t at) {
    constexpr std::array<std::uint64_t, 12> kNumbers = {0,
                                                        1,
                                                        0x7f,
                                                        0xff,
                                                        0x7fff,
                                                        0xffff,
                                                        0x7fffffff,
                                                        0x80000000,
                                                        0xffffffff,
                                                        0x7fffffffffffffff,
                                                        0x8000000000000000,
                                                        ~0ULL};
    const std::uint64_t number = kNumbers[below(kNumbers.size())];
    const std::size_t width = std::min(std::size_t{1} << below(4), input.size() - at);
    std::memcpy(&input[at], &number, width);
  }

  // Its raw numbers are the same with every standard library.
  std::mt19937_64 random_;
};

int run(const std::string& input) {
  // Exactly as long as the input: a sanitizer sees the first step outside.
  const std::vector<std::uint8_t> exact(input.begin(), input.end());
  return LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

TEST(Mutation, DamagedSeedsNeverBreakTheReader) {
  const auto inputs = seeds();
  ASSERT_FALSE(inputs.empty());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_EQ(run(inputs[i]), 0);
    Mutator mutator(i + 1);
    for (int round = 0; round < kRoundsPerSeed; ++round) run(mutator.damaged(inputs[i]));
  }
}

TEST(Mutation, EveryTruncationIsSurvived) {
  for (const auto& input : seeds()) {
    const std::size_t step = 1 + input.size() / 500;
    for (std::size_t size = 0; size < input.size(); size += step) run(input.substr(0, size));
  }
}

}  // namespace
}  // namespace sluice::fuzz
