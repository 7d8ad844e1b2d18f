// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/continuation.hpp"

#include <gtest/gtest.h>

#include "runtime/codec/prefill_cache.hpp"
#include "tests/runtime/evaluation/tiny_evaluation.hpp"

namespace sluice::runtime {
namespace {

class Continuation : public TinyEvaluation {
 protected:
  void SetUp() override {
    TinyEvaluation::SetUp();
    prompt_ = tokenizer_->encode("forty tokens or so, each a letter of this text",
                                 {.add_special = false});
    cache_ = std::make_unique<DumpedCache>(prefill_cache(prefill(), *file_, prompt_, {}).value());
    pool_ = KvPool::create(kv_shape_of(file_->spec()), 4 * blocks_after(*cache_, 20)).value();
  }
  KvSequence placed(std::span<const std::vector<std::int32_t>> positions = {}) {
    return place_cache({*cache_, positions}, 20, *pool_).value();
  }
  // Of each head but the first, which keeps all, every other token.
  std::vector<std::vector<std::int32_t>> halves() const {
    std::vector<std::vector<std::int32_t>> positions(4);
    for (std::size_t head = 0; head < positions.size(); ++head) {
      for (std::int32_t token = 0; token < static_cast<std::int32_t>(prompt_.size()); ++token) {
        if (head == 0 || token % 2 == 0) positions[head].push_back(token);
      }
    }
    return positions;
  }

  std::vector<TokenId> prompt_;
  std::unique_ptr<DumpedCache> cache_;
  std::unique_ptr<KvPool> pool_;
};

TEST_F(Continuation, AWholeCacheEndsBeforeThePromptsLastToken) {
  const KvSequence sequence = placed();
  EXPECT_EQ(sequence.tokens, static_cast<std::int64_t>(prompt_.size()) - 1);
  EXPECT_TRUE(sequence.dropped.empty());
  EXPECT_EQ(
      std::memcmp(pool_->block(1, sequence.blocks[0]), cache_->pages(1).blocks[0], 32 * 16 * 2), 0);
}

TEST_F(Continuation, KeptRowsMoveUpAndTheLastTokensIsLeftOut) {
  const auto positions = halves();
  const KvSequence sequence = placed(positions);
  const auto tokens = static_cast<std::int64_t>(prompt_.size());
  ASSERT_EQ(sequence.dropped.size(), 4U);
  EXPECT_EQ(sequence.dropped[0], 0);
  EXPECT_EQ(sequence.rows(1), (tokens + 1) / 2 - (tokens % 2));
}

TEST_F(Continuation, RowsLeaveTheSequenceAsItWas) {
  KvSequence sequence = placed(halves());
  const std::int64_t before = sequence.tokens;
  const std::vector<TokenId> fed{prompt_.back(), 65, 66};
  const auto two = rows_along(decode(), *pool_, sequence, fed, 2);
  const auto three = rows_along(decode(), *pool_, sequence, fed, 3);
  ASSERT_TRUE(two && three);
  EXPECT_EQ(sequence.tokens, before);
  ASSERT_EQ(three->size(), 3U);
  EXPECT_EQ(two->front(), (*three)[1]);
  EXPECT_EQ(two->back(), (*three)[2]);
}

TEST_F(Continuation, GreedyAnswersFollowTheRowsAndNotEachOther) {
  const auto positions = halves();
  std::vector<GreedyAnswer> together;
  together.push_back({placed(), {prompt_.back()}});
  together.push_back({placed(positions), {prompt_.back()}});
  ASSERT_TRUE(say_greedily(decode(), *pool_, together, {}, 9));
  std::vector<GreedyAnswer> alone;
  alone.push_back({placed(positions), {prompt_.back()}});
  ASSERT_TRUE(say_greedily(decode(), *pool_, alone, {}, 9));
  EXPECT_EQ(together[1].said, alone[0].said);
  EXPECT_NE(together[0].said, alone[0].said);
  ASSERT_EQ(alone[0].said.size(), 9U);

  KvSequence again = placed(positions);
  const auto rows = rows_along(decode(), *pool_, again, std::span(alone[0].said).first(8), 8);
  ASSERT_TRUE(rows);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(most_probable((*rows)[i]), alone[0].said[i + 1]);
}

TEST_F(Continuation, AnAnswerEndsWithAnEndWhichItKeeps) {
  GreedyAnswer answer{placed(), {prompt_.back()}};
  ASSERT_TRUE(say_greedily(decode(), *pool_, {&answer, 1}, {}, 6));
  const TokenId end = answer.said[3];
  std::size_t expected = 0;
  while (answer.said[expected] != end) ++expected;
  GreedyAnswer ended{placed(), {prompt_.back()}};
  ASSERT_TRUE(say_greedily(decode(), *pool_, {&ended, 1}, {&end, 1}, 6));
  EXPECT_EQ(ended.said.size(), expected + 1);
  EXPECT_EQ(ended.said.back(), end);
}

}  // namespace
}  // namespace sluice::runtime
