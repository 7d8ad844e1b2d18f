// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/sampler.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

namespace sluice::runtime {
namespace {

std::map<TokenId, double> shares(const std::vector<float>& logits, const SamplingOptions& options) {
  constexpr int kDraws = 20000;
  std::map<TokenId, double> result;
  for (int i = 0; i < kDraws; ++i) result[sample(logits, options, i)] += 1.0 / kDraws;
  return result;
}

std::set<TokenId> drawn(const std::vector<float>& logits, const SamplingOptions& options) {
  std::set<TokenId> tokens;
  for (const auto& [token, share] : shares(logits, options)) tokens.insert(token);
  return tokens;
}

TEST(Sampler, GreedyTakesTheLargestAndAtATieTheLowestId) {
  EXPECT_EQ(sample(std::vector<float>{1, 5, 3, 5}, {}, 0), 1);
  EXPECT_EQ(sample(std::vector<float>{-7}, {}, 9), 0);
  EXPECT_EQ(sample(std::vector<float>{NAN, 2, NAN, 3}, {}, 0), 3);
}

TEST(Sampler, DrawsFollowTheSoftmaxAtTheTemperature) {
  const std::vector<float> logits{0, 1, 2, -1};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    double total = 0;
    for (const float logit : logits) total += std::exp(logit / temperature);
    const auto found = shares(logits, {.temperature = temperature, .seed = 5});
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double expected = std::exp(logits[i] / temperature) / total;
      const auto at = found.find(static_cast<TokenId>(i));
      // Four standard deviations of 20,000 draws.
      EXPECT_NEAR(at == found.end() ? 0.0 : at->second, expected,
                  4 * std::sqrt(expected * (1 - expected) / 20000))
          << "token " << i << " at " << temperature;
    }
  }
}

TEST(Sampler, TopKKeepsTheLargestAndAtATieTheLowestIds) {
  const std::vector<float> logits{1, 2, 2, 2, 0};
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_k = 2}), (std::set<TokenId>{1, 2}));
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_k = 9}), (std::set<TokenId>{0, 1, 2, 3, 4}));
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  // Probabilities 0.5, 0.3, 0.2.
  const std::vector<float> logits{std::log(0.2F), std::log(0.5F), std::log(0.3F)};
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_p = 0.45}), (std::set<TokenId>{1}));
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_p = 0.7}), (std::set<TokenId>{1, 2}));
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_p = 0.9}), (std::set<TokenId>{0, 1, 2}));
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_p = 0.0}), (std::set<TokenId>{1}));
}

TEST(Sampler, TopPCountsWithinTopK) {
  // Of the two kept, the first has 0.625.
  const std::vector<float> logits{std::log(0.2F), std::log(0.5F), std::log(0.3F)};
  EXPECT_EQ(drawn(logits, {.temperature = 1, .top_p = 0.6, .top_k = 2}), (std::set<TokenId>{1}));
}

TEST(Sampler, InfinitiesAndNansDoNotDisturb) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(drawn({1, infinity, 2}, {.temperature = 1}), (std::set<TokenId>{1}));
  EXPECT_EQ(drawn({-infinity, 1, NAN}, {.temperature = 1}), (std::set<TokenId>{1}));
  EXPECT_EQ(drawn({0, 1000}, {.temperature = 1}), (std::set<TokenId>{1}));
}

TEST(Sampler, ATokenDependsOnSeedAndPositionAlone) {
  std::vector<float> logits(1000, 0.0F);
  const SamplingOptions options{.temperature = 1, .seed = 42};
  const TokenId later = sample(logits, options, 7);
  EXPECT_EQ(sample(logits, options, 7), later);
  std::set<TokenId> others;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    others.insert(sample(logits, {.temperature = 1, .seed = seed}, 7));
  }
  EXPECT_GT(others.size(), 40U);
}

TEST(UniformAt, IsTheSameOnEveryMachine) {
  // Computed independently from the published constants.
  EXPECT_EQ(uniform_at(0, 0), 0x1.c4415072f63b9p-1);
  EXPECT_EQ(uniform_at(42, 1000), 0x1.b021712762231p-1);
}

TEST(UniformAt, FillsTheUnitIntervalEvenly) {
  constexpr int kDraws = 16000;
  std::vector<int> bins(16);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double value = uniform_at(i / 100, i % 100);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++bins[static_cast<std::size_t>(value * 16)];
  }
  for (const int bin : bins) EXPECT_NEAR(bin, kDraws / 16, 150);
}

}  // namespace
}  // namespace sluice::runtime
