// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/score_collector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/stages/select/attention_case.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kTokens = 90;

ScoreTask task_of(const AttentionCase& layer, const ScoreNeeds& needs, std::int64_t question = -1) {
  ScoreTask task{.needs = needs, .shape = {}, .heads = layer.heads, .tokens = layer.tokens};
  task.shape.layers = 2;
  task.shape.kv_heads = layer.kv_heads;
  task.shape.head_dim = layer.head_dim;
  task.question_first = question;
  return task;
}

// The layer in pieces, as the engine hands them over: queries from `watched` on.
void feed(ScoreCollector& collector, const AttentionCase& layer, std::int64_t step,
          std::int64_t watched) {
  for (std::int64_t first = 0; first < layer.tokens; first += step) {
    const std::int64_t last = std::min(first + step, layer.tokens);
    collector.observe(layer.piece(1, std::clamp(watched, first, last), last)).value();
  }
}

class Collecting : public ::testing::TestWithParam<std::int64_t> {
 protected:
  AttentionCase layer_{kTokens, 4, 2, 16};
};

TEST_P(Collecting, TheWindowsMassIsThatOfTheLastTokens) {
  ScoreCollector collector(task_of(layer_, {.window_tokens = 20, .peak = true}));
  EXPECT_EQ(collector.first_token(), kTokens - 20);
  feed(collector, layer_, GetParam(), collector.first_token());
  const LayerScores& scores = collector.scores()[1];
  EXPECT_EQ(scores.window_first, kTokens - 20);
  for (std::int64_t kv_head = 0; kv_head < 2; ++kv_head) {
    for (std::int64_t key = 0; key < kTokens; ++key) {
      const auto at = static_cast<std::size_t>(kv_head * kTokens + key);
      double most = 0;
      ASSERT_NEAR(scores.window[at], layer_.mass(kv_head, key, kTokens - 20, kTokens, &most), 1e-4);
      ASSERT_NEAR(scores.peak[at], most, 1e-4);
    }
  }
  EXPECT_TRUE(collector.is_complete(1));
  EXPECT_FALSE(collector.is_complete(0));
}

TEST_P(Collecting, AKnownQuestionIsTheWindow) {
  ScoreCollector collector(task_of(layer_, {.window_tokens = 20, .question = true}, 77));
  EXPECT_EQ(collector.first_token(), 77);
  feed(collector, layer_, GetParam(), 77);
  const LayerScores& scores = collector.scores()[1];
  EXPECT_EQ(scores.window_first, 77);
  EXPECT_NEAR(scores.window[30], layer_.mass(0, 30, 77, kTokens), 1e-4);
}

TEST_P(Collecting, AccumulatedMassIsOfAllQueriesAndQueriesAreTheWindows) {
  ScoreCollector collector(
      task_of(layer_, {.window_tokens = 3, .accumulated = true, .queries = true}));
  EXPECT_EQ(collector.first_token(), 0);
  feed(collector, layer_, GetParam(), 0);
  const LayerScores& scores = collector.scores()[1];
  double total = 0;
  for (std::size_t i = 0; i < scores.accumulated.size(); ++i) {
    total += static_cast<double>(scores.accumulated[i]);
  }
  EXPECT_NEAR(total, kTokens * 4, 1e-2);  // every query of every head gives one in all
  EXPECT_NEAR(scores.accumulated[kTokens + 5], layer_.mass(1, 5, 0, kTokens), 1e-4);
  EXPECT_NEAR(scores.window[5], layer_.mass(0, 5, kTokens - 3, kTokens), 1e-4);
  EXPECT_EQ(scores.queries,
            std::vector<float>(layer_.queries.end() - 3 * 4 * 16, layer_.queries.end()));
}

INSTANTIATE_TEST_SUITE_P(PieceSizes, Collecting, ::testing::Values(90, 75, 32, 1));

TEST(ScoreCollector, LongQuestionsCountByTheirLastTokens) {
  const AttentionCase layer(kQuestionTokensMax + 40, 2, 1, 4);
  ScoreCollector collector(task_of(layer, {.window_tokens = 1, .question = true}, 3));
  EXPECT_EQ(collector.first_token(), 40);
}

TEST(ScoreCollector, SimilarityIsTheMeanOverTokens) {
  const AttentionCase layer(10, 2, 1, 4);
  ScoreCollector collector(task_of(layer, {.similarity = true}));
  EXPECT_EQ(collector.first_token(), 10);
  EXPECT_TRUE(collector.wants_similarity());
  LayerQueries piece = layer.piece(1, 6, 6);
  piece.similarity_sum = 5.0;
  piece.similarity_tokens = 6;
  collector.observe(piece).value();
  piece = layer.piece(1, 10, 10);
  piece.similarity_sum = 1.0;
  piece.similarity_tokens = 4;
  collector.observe(piece).value();
  EXPECT_FLOAT_EQ(collector.scores()[1].similarity, 0.6F);
}

TEST(ScoreCollector, ASecondPieceOrAGapIsRefused) {
  const AttentionCase layer(40, 2, 1, 4);
  ScoreCollector collector(task_of(layer, {.window_tokens = 30}));
  collector.observe(layer.piece(1, 0, 20)).value();
  const auto refused = [&](const LayerQueries& piece) {
    const Status status = collector.observe(piece);
    return status ? std::string() : status.error().message;
  };
  EXPECT_THAT(refused(layer.piece(1, 0, 20)), HasSubstr("does not follow"));
  EXPECT_THAT(refused(layer.piece(1, 25, 40)), HasSubstr("does not follow"));
  EXPECT_THAT(refused(layer.piece(2, 20, 40)), HasSubstr("no layer"));
  const AttentionCase other(40, 4, 2, 4);
  EXPECT_THAT(refused(other.piece(1, 20, 40)), HasSubstr("number or size of heads"));
  EXPECT_THAT(refused(layer.piece(1, 20, 40)), "");
}

TEST(ScoreCollector, NothingAskedForIsNothingCollected) {
  const AttentionCase layer(8, 2, 1, 4);
  ScoreCollector collector(task_of(layer, {}));
  feed(collector, layer, 8, 8);
  const LayerScores& scores = collector.scores()[1];
  EXPECT_TRUE(scores.window.empty() && scores.accumulated.empty() && scores.expected.empty());
  EXPECT_GE(collector.seconds(), 0.0);
}

}  // namespace
}  // namespace sluice::kernels
