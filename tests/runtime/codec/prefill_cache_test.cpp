// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/prefill_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "runtime/engine/engine_options.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kTokens = 37;

class PrefillCache : public ::testing::Test {
 protected:
  PrefillCache() : model_(tiny_spec()) {
    auto engine = PrefillEngine::create(model_, *engine_options("cpu", "f32", 1), {});
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    if (engine) engine_ = std::move(*engine);
    for (TokenId i = 0; i < kTokens; ++i) prompt_.push_back(i * 13 % 97);
  }
  DumpedCache computed(const PrefillCacheOptions& options) {
    auto cache = prefill_cache(*engine_, model_, prompt_, options);
    EXPECT_TRUE(cache.has_value()) << cache.error().message;
    return std::move(*cache);
  }

  TinyModel model_;
  std::unique_ptr<PrefillEngine> engine_;
  std::vector<TokenId> prompt_;
};

TEST_F(PrefillCache, HoldsRowsWindowsAndScores) {
  const DumpedCache cache = computed({.window_tokens = 5, .chunk_tokens = 8});
  EXPECT_EQ(cache.tokens(), kTokens);
  EXPECT_EQ(cache.shape().layers, 2);
  EXPECT_EQ(cache.shape().rope.radians_per_position.size(), 4U);
  ASSERT_EQ(cache.windows.size(), 2U);
  EXPECT_EQ(cache.windows[1].queries.size(), 5U * 6 * 8);
  EXPECT_EQ(cache.windows[1].lse.size(), 5U * 6);
  ASSERT_EQ(cache.scores.size(), 2U);
  const auto& mass = cache.scores[1].accumulated;
  ASSERT_EQ(mass.size(), static_cast<std::size_t>(2 * kTokens));
  // Each of 37 queries of 6 heads spends 1.
  EXPECT_NEAR(std::accumulate(mass.begin(), mass.end(), 0.0), 6.0 * kTokens, 0.01);
}

TEST_F(PrefillCache, DoesNotDependOnChunks) {
  const DumpedCache a = computed({.chunk_tokens = 8, .all_scores = false});
  const DumpedCache b = computed({.chunk_tokens = 512, .all_scores = false});
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    const auto* was = reinterpret_cast<const std::uint16_t*>(a.pages(layer).blocks[0]);
    const auto* is = reinterpret_cast<const std::uint16_t*>(b.pages(layer).blocks[0]);
    for (std::int64_t i = 0; i < 2 * 2 * kTokens * 8; ++i) {
      ASSERT_NEAR(f32_from_bf16(was[i]), f32_from_bf16(is[i]), 0.02) << i;
    }
  }
  EXPECT_EQ(a.windows[0].lse.size(), static_cast<std::size_t>(kTokens * 6));
  EXPECT_TRUE(a.scores.empty());
}

TEST_F(PrefillCache, ScoresOfAWindowComeFromItsQueries) {
  const DumpedCache cache = computed({.window_tokens = 8});
  kernels::ScoreNeeds needs;
  needs.window_tokens = 4;
  const auto scores = scores_of(cache, needs, 0);
  ASSERT_TRUE(scores.has_value()) << scores.error().message;
  ASSERT_EQ(scores->size(), 2U);
  EXPECT_EQ((*scores)[0].window_first, kTokens - 4);
  const auto& mass = (*scores)[0].window;
  EXPECT_NEAR(std::accumulate(mass.begin(), mass.end(), 0.0), 4.0 * 6, 0.01);

  needs.question = true;
  const auto asked = scores_of(cache, needs, 7);
  ASSERT_TRUE(asked.has_value()) << asked.error().message;
  EXPECT_EQ((*asked)[0].window_first, kTokens - 7);
}

TEST_F(PrefillCache, WhatWasNotDumpedIsSaid) {
  const DumpedCache cache = computed({.window_tokens = 3, .all_scores = false});
  kernels::ScoreNeeds whole;
  whole.accumulated = true;
  EXPECT_THAT(scores_of(cache, whole, 0).error().message, HasSubstr("scores of the whole prompt"));
  kernels::ScoreNeeds window;
  window.window_tokens = 4;
  EXPECT_THAT(scores_of(cache, window, 0).error().message, HasSubstr("enough of the last queries"));
  EXPECT_FALSE(prefill_cache(*engine_, model_, {}, {}).has_value());
}

}  // namespace
}  // namespace sluice::runtime
