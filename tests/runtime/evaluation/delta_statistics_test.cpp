// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/delta_statistics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <random>

#include "kernels/core/dtype.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kTokens = 404;  // 400 are counted: whole groups of 4 and 10
const kernels::CacheShape kShape = [] {
  kernels::CacheShape shape;
  shape.layers = 2;
  shape.kv_heads = 2;
  shape.head_dim = 16;
  return shape;
}();

// The value of a token's channel: K and V of both layers.
DumpedCache cache_of(const std::function<float(std::int64_t token, std::int64_t channel)>& value) {
  DumpedCache cache(kShape, 2, kTokens);
  for (std::int64_t layer = 0; layer < kShape.layers; ++layer) {
    const kernels::KvPages pages = cache.pages(layer);
    auto* at = reinterpret_cast<std::uint16_t*>(pages.blocks[0]);
    for (int half = 0; half < 2; ++half) {
      for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t token = 0; token < kTokens; ++token) {
          for (std::int64_t i = 0; i < 16; ++i) *at++ = bf16_from_f32(value(token, head * 16 + i));
        }
      }
    }
  }
  return cache;
}

std::vector<DeltaStatistics> statistics_of(const DumpedCache& cache) {
  DeltaMeter meter(cache.shape());
  meter.observe(cache);
  return meter.finish();
}

const DeltaStatistics& find(const std::vector<DeltaStatistics>& all, std::string_view form) {
  for (const DeltaStatistics& one : all) {
    if (one.form == form && one.is_key && one.layer == 1) return one;
  }
  ADD_FAILURE() << "no " << form;
  return all.front();
}

TEST(DeltaStatistics, TokensThatKnowNothingOfEachOtherDifferTwiceAsMuch) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const auto all = statistics_of(cache_of([&](auto, auto) { return normal(random); }));
  ASSERT_EQ(all.size(), delta_forms().size() * 4);
  EXPECT_EQ(find(all, "values").variance_ratio, 1.0);
  for (const char* form :
       {"sequential", "sequential of 4", "sequential of 10", "anchor of 4", "anchor of 10"}) {
    EXPECT_NEAR(find(all, form).variance_ratio, 2.0, 0.15) << form;
    // Twice the variance is half a bit more at the same error.
    EXPECT_NEAR(find(all, form).step_bits - find(all, "values").step_bits, 0.5, 0.15) << form;
  }
}

TEST(DeltaStatistics, ARandomWalkIsBestFollowedStepByStep) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::array<float, 32> walk{};
  std::vector<float> values;
  for (std::int64_t token = 0; token < kTokens; ++token) {
    for (float& at : walk) values.push_back(at += normal(random));
  }
  const auto all = statistics_of(cache_of([&](std::int64_t token, std::int64_t channel) {
    return values[static_cast<std::size_t>(token * 32 + channel)];
  }));
  const double sequential = find(all, "sequential").variance;
  EXPECT_NEAR(sequential, 1.0, 0.1);
  // An anchor is 1 to 3 steps away, then 1 to 9: 2 and 5 on average.
  EXPECT_NEAR(find(all, "anchor of 4").variance / sequential, 2.0, 0.2);
  EXPECT_NEAR(find(all, "anchor of 10").variance / sequential, 5.0, 0.8);
  EXPECT_LT(find(all, "sequential").variance_ratio, 0.2);
  EXPECT_LT(find(all, "sequential").step_bits, find(all, "values").step_bits - 1.0);
}

TEST(DeltaStatistics, AnchorsAndTheFirstTokensAreNotCounted) {
  const auto all = statistics_of(cache_of(
      [](std::int64_t token, std::int64_t) { return token < kDeltaSkipTokens ? 1e4F : 1.0F; }));
  EXPECT_EQ(find(all, "values").elements, 400 * 32);
  EXPECT_EQ(find(all, "sequential").elements, 399 * 32);
  EXPECT_EQ(find(all, "sequential of 4").elements, 300 * 32);
  EXPECT_EQ(find(all, "anchor of 10").elements, 360 * 32);
  EXPECT_EQ(find(all, "values").variance, 0.0);
  EXPECT_TRUE(std::isnan(find(all, "anchor of 4").variance_ratio));
  EXPECT_THAT(delta_json(all), ::testing::HasSubstr("\"variance_ratio\": null"));
  EXPECT_THAT(delta_table(all), ::testing::HasSubstr("| anchor of 4 | - | - | - | - | - | - |"));
}

TEST(DeltaStatistics, Int4sSixteenSymbolsAreCounted) {
  // A ramp over the 32 channels of a token: each of 16 symbols twice.
  const auto all = statistics_of(
      cache_of([](std::int64_t, std::int64_t channel) { return static_cast<float>(channel / 2); }));
  EXPECT_NEAR(find(all, "values").int4_bits, 4.0, 1e-9);
  EXPECT_EQ(find(all, "sequential").int4_bits, 0.0);
  EXPECT_EQ(find(all, "values").step_bits, 0.0);  // each channel says the same at every token
}

TEST(DeltaStatistics, ShortPromptsHaveNothingToCount) {
  DeltaMeter meter(kShape);
  meter.observe(DumpedCache(kShape, 2, 3));
  for (const DeltaStatistics& one : meter.finish()) EXPECT_EQ(one.elements, 0);
}

}  // namespace
}  // namespace sluice::runtime
