// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/reconstruction.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/stages/select/score_collector.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/engine/engine_options.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kTokens = 100;
constexpr std::int64_t kBlocks = 12;

class ReconstructionScores : public ::testing::Test {
 protected:
  ReconstructionScores() : model_(tiny_spec()) {
    engine_ = PrefillEngine::create(model_, *engine_options("cpu", "f32", 1), {}).value();
    for (TokenId i = 0; i < kTokens; ++i) prompt_.push_back(i * 13 % 97);
    const ModelSpec& spec = engine_->spec();
    pool_ =
        KvPool::create({spec.layers, spec.kv_heads, spec.head_dim, DType::kF32}, kBlocks).value();
    sequence_ = {.blocks = pool_->acquire(kv_blocks_for(kTokens)).value(), .tokens = 0};
    engine_->prefill(*pool_, sequence_, prompt_, {}, {}).value();
  }
  Result<std::vector<std::vector<float>>> scores(std::int64_t part = kRepeatTokens) {
    return reconstruction_scores(*engine_, *pool_, sequence_, prompt_, requests_, part);
  }

  TinyModel model_;
  std::unique_ptr<PrefillEngine> engine_;
  std::vector<TokenId> prompt_;
  RepeatRequests requests_{{5, 6, 7}, {8, 9}, {10}};
  std::unique_ptr<KvPool> pool_;
  KvSequence sequence_;
};

// By the same tokens as one long prompt, whose weights of attention are watched.
TEST_F(ReconstructionScores, AreTheLargestWeightsBehindTheRequest) {
  const auto found = scores().value();
  std::vector<TokenId> all = prompt_;
  for (const TokenId id : {5, 6, 7, 10}) all.push_back(id);
  all.insert(all.end(), prompt_.begin(), prompt_.end());
  const auto last = static_cast<std::int64_t>(all.size());
  const ModelSpec& spec = engine_->spec();
  kernels::ScoreTask task;
  task.needs.window_tokens = last - kTokens;
  task.needs.peak = true;
  task.shape = {spec.layers, spec.kv_heads, spec.head_dim, 0, {}};
  task.heads = spec.heads;
  task.tokens = last;
  kernels::ScoreCollector collector(task);
  PrefillObserver observer;
  observer.first_token = collector.first_token();
  observer.observe = [&](const kernels::LayerQueries& piece) { collector.observe(piece).value(); };
  KvSequence whole{.blocks = pool_->acquire(kv_blocks_for(last)).value(), .tokens = 0};
  engine_->prefill(*pool_, whole, all, {{}, &observer}, {}).value();
  ASSERT_EQ(found.size(), 2U);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (std::size_t head = 0; head < 2; ++head) {
      for (std::size_t t = 0; t < kTokens; ++t) {
        const auto& peaks = collector.scores()[layer].peak;
        ASSERT_NEAR(found[layer][head * kTokens + t],
                    peaks[head * static_cast<std::size_t>(last) + t], 1e-5)
            << t;
      }
    }
  }
}

TEST_F(ReconstructionScores, PartsCoverThePromptAndLeaveNothingBehind) {
  const std::int64_t free = pool_->free_blocks();
  const auto parts = scores(40).value();
  EXPECT_EQ(pool_->free_blocks(), free);
  EXPECT_EQ(sequence_.tokens, kTokens);
  for (const auto& layer : parts) {
    EXPECT_GT(*std::min_element(layer.begin(), layer.end()), 0.0F);
  }
  // The first part is asked for in the same words either way, but read on from elsewhere.
  EXPECT_NE(parts[1], scores().value()[1]);
  EXPECT_EQ(scores(40).value(), parts) << "rows behind the prompt were taken for the prompt's";
}

TEST_F(ReconstructionScores, WithoutRoomTheyAreRefused) {
  const auto all = pool_->acquire(pool_->free_blocks()).value();
  EXPECT_EQ(scores().error().code, ErrorCode::kResourceExhausted);
  pool_->release(all);

  ModelSpec spec = tiny_spec();
  spec.context_max = kTokens + 40;
  const TinyModel narrow(spec);
  engine_ = PrefillEngine::create(narrow, *engine_options("cpu", "f32", 1), {}).value();
  EXPECT_THAT(scores().error().message, HasSubstr("leaves no room to repeat it"));
}

TEST_F(ReconstructionScores, AreOfADumpedCacheWhereTheyAreAskedFor) {
  kernels::ScoreNeeds needs;
  needs.reconstruction = true;
  const auto without = prefill_cache(*engine_, model_, prompt_, {}).value();
  EXPECT_THAT(scores_of(without, needs, 0).error().message, HasSubstr("prompt's repetition"));

  PrefillCacheOptions options;
  options.all_scores = false;
  options.repeat = &requests_;
  const auto cache = prefill_cache(*engine_, model_, prompt_, options).value();
  const auto found = scores_of(cache, needs, 0).value();
  const auto exact = scores().value();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].tokens, kTokens);
  for (std::size_t i = 0; i < exact[1].size(); ++i) {
    // Prefill reads BF16 there and FP32 here.
    ASSERT_NEAR(found[1].reconstruction[i], exact[1][i], 0.05 * exact[1][i] + 1e-4) << i;
  }
}

}  // namespace
}  // namespace sluice::runtime
