// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

namespace sluice::kernels {
namespace {

std::vector<std::uint16_t> normalized(const std::vector<std::uint64_t>& weights, int precision) {
  std::vector<std::uint16_t> frequencies(weights.size());
  normalize_frequencies(weights, precision, frequencies.data());
  return frequencies;
}

TEST(NormalizeFrequencies, KeepProportions) {
  EXPECT_EQ(normalized({1, 3}, 14), (std::vector<std::uint16_t>{4096, 12288}));
  // 16384 / 3 is rounded down three times; the first of the largest gets the slot that is left.
  EXPECT_EQ(normalized({1, 1, 1, 0}, 14), (std::vector<std::uint16_t>{5462, 5461, 5461, 0}));
}

TEST(NormalizeFrequencies, OneSymbolAloneLeavesASlotToAnother) {
  EXPECT_EQ(normalized({5, 0, 0, 0}, 14), (std::vector<std::uint16_t>{16383, 1, 0, 0}));
  EXPECT_EQ(normalized({0, 0, 5, 0}, 16), (std::vector<std::uint16_t>{1, 0, 65535, 0}));
  // Nothing at all is still a table.
  EXPECT_EQ(normalized({0, 0}, 14), (std::vector<std::uint16_t>{16383, 1}));
}

TEST(NormalizeFrequencies, EverySymbolWithWeightHasAFrequency) {
  std::mt19937_64 generator(1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint64_t> weights(std::size_t{2} << generator() % 8);
    for (auto& weight : weights) weight = (generator() >> 20) >> generator() % 45;
    for (const int precision : {9, 14, 16}) {
      const auto frequencies = normalized(weights, precision);
      EXPECT_EQ(std::accumulate(frequencies.begin(), frequencies.end(), 0), 1 << precision);
      for (std::size_t s = 0; s < weights.size(); ++s) {
        EXPECT_TRUE(weights[s] == 0 || frequencies[s] > 0);
      }
    }
  }
}

TEST(NormalizeFrequencies, ManyRareSymbolsBesideACommonOne) {
  std::vector<std::uint64_t> weights(256, 1);
  weights[100] = std::uint64_t{1} << 40;
  const auto frequencies = normalized(weights, 9);
  EXPECT_EQ(frequencies[100], 512 - 255);
  EXPECT_EQ(frequencies[0], 1);
}

TEST(NormalizeCounts, IsTheSameAsOfTheirWeights) {
  std::mt19937 generator(2);
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<std::uint32_t> counts(std::size_t{2} << trial % 8);
    const std::uint32_t most = trial % 3 == 0 ? kCountMost : 1U << trial % 12;
    for (auto& count : counts) count = generator() % 4 == 0 ? generator() % (most + 1) : 0;
    if (trial % 5 == 0) counts.assign(counts.size(), 0);
    if (trial % 5 == 1) counts.back() = most;
    std::vector<std::uint64_t> weights;
    for (const std::uint32_t count : counts) weights.push_back(std::uint64_t{256} * count + 1);
    std::vector<std::uint16_t> frequencies(counts.size());
    const int precision = trial % 2 == 0 ? 14 : 16;
    normalize_counts(counts, precision, frequencies.data());
    EXPECT_EQ(frequencies, normalized(weights, precision)) << trial;
  }
}

TEST(Log2, IsWithinItsPrecision) {
  for (const std::uint64_t value : {1ULL, 2ULL, 3ULL, 1000ULL, 16383ULL, 1ULL << 40, ~0ULL}) {
    EXPECT_NEAR(log2_q8(value) / 256.0, std::log2(static_cast<double>(value)), 0.01) << value;
  }
}

TEST(SymbolModel, CostIsTheCodedSize) {
  const SymbolGroups groups = SymbolGroups::of({.bits = {1, 1}, .context = {0, 0}}).value();
  SymbolModel model;
  model.precision = 14;
  const std::vector<std::uint64_t> weights = {1, 3};
  model.add_table(1, weights);
  model.table_of_group = {0};
  const SymbolCounts counts{.first = {0}, .counts = {10, 30}};
  // 2 bits for one in four, log2(4 / 3) for the others.
  EXPECT_NEAR(static_cast<double>(model.cost_q8(groups, counts)) / 256, 10 * 2 + 30 * 0.415, 0.3);
}

}  // namespace
}  // namespace sluice::kernels
