// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/prefix_cache.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <set>
#include <string>

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

constexpr KvShape kShape{.layers = 1, .kv_heads = 1, .head_dim = 8, .dtype = DType::kBF16};
constexpr std::int64_t kBlock = 64;

std::vector<TokenId> prompt_of(TokenId first, std::int64_t tokens) {
  std::vector<TokenId> prompt(static_cast<std::size_t>(tokens));
  std::iota(prompt.begin(), prompt.end(), first);
  return prompt;
}

std::vector<PrefixHash> hashes_of(TokenId first, std::int64_t tokens) {
  return block_hashes(prompt_of(first, tokens), kBlock, 0);
}

TEST(BlockHashes, AreOfWholeBlocksAndCoverAllBefore) {
  const auto prompt = prompt_of(0, 200);
  const auto hashes = block_hashes(prompt, kBlock, 0);
  ASSERT_EQ(hashes.size(), 3U);
  auto other = prompt;
  other[70] = -1;  // in the second block
  const auto changed = block_hashes(other, kBlock, 0);
  EXPECT_EQ(changed[0], hashes[0]);
  EXPECT_NE(changed[1], hashes[1]);
  EXPECT_NE(changed[2], hashes[2]);
  // Equal blocks behind each other are not equal prefixes.
  const auto same = block_hashes(std::vector<TokenId>(128, 7), kBlock, 0);
  EXPECT_NE(same[0], same[1]);
  EXPECT_THAT(block_hashes(std::span(prompt).first(63), kBlock, 0), IsEmpty());
  EXPECT_THAT(block_hashes(prompt, 0, 0), IsEmpty());
}

TEST(BlockHashes, DependOnTheSalt) {
  const auto prompt = prompt_of(0, 128);
  const auto one = block_hashes(prompt, kBlock, 1);
  const auto two = block_hashes(prompt, kBlock, 2);
  EXPECT_NE(one[0], two[0]);
  EXPECT_NE(one[1], two[1]);
}

// All processes of a cluster, of whatever build, have the same.
TEST(BlockHashes, AreTheseNumbers) {
  EXPECT_THAT(block_hashes(prompt_of(0, 128), kBlock, 0),
              ElementsAre(12023766320149852431ULL, 13487445477661777419ULL));
}

struct Fixture {
  std::unique_ptr<KvPool> pool;
  std::unique_ptr<PrefixCache> cache;

  explicit Fixture(std::int64_t pool_blocks)
      : pool(KvPool::create(kShape, pool_blocks).value()),
        cache(PrefixCache::create(*pool, kBlock).value()) {}

  // A prompt comes, is computed, is kept and ends: how much of it was there.
  std::int64_t serve(TokenId first, std::int64_t tokens) {
    const auto hashes = hashes_of(first, tokens);
    const KvSequence sequence = cache->open(hashes, tokens, tokens).value();
    cache->insert(hashes, sequence.blocks);
    pool->release(sequence.blocks);
    return sequence.tokens;
  }
  std::int64_t cached(TokenId first, std::int64_t tokens) const {
    return cache->cached_tokens(hashes_of(first, tokens), tokens);
  }
};

TEST(PrefixCache, WhatWasThereIsSharedAndTheRestIsNew) {
  Fixture fixture(16);
  EXPECT_EQ(fixture.serve(0, 150), 0);
  EXPECT_EQ(fixture.pool->free_blocks(), 12);  // two blocks of 64 tokens are kept
  EXPECT_EQ(fixture.pool->idle_blocks(), 4);
  const auto hashes = hashes_of(0, 200);
  const KvSequence one = fixture.cache->open(hashes, 200, 200).value();
  const KvSequence two = fixture.cache->open(hashes, 200, 200).value();
  EXPECT_EQ(one.tokens, 128);
  EXPECT_EQ(one.blocks.size(), 7U);
  EXPECT_TRUE(std::equal(one.blocks.begin(), one.blocks.begin() + 4, two.blocks.begin()));
  std::set<KvBlockId> all(one.blocks.begin(), one.blocks.end());
  all.insert(two.blocks.begin(), two.blocks.end());
  EXPECT_EQ(all.size(), 4U + 3U + 3U);
  EXPECT_EQ(fixture.pool->idle_blocks(), 0);
  EXPECT_EQ(fixture.cache->available_blocks(), 6);
  fixture.pool->release(one.blocks);
  EXPECT_EQ(fixture.pool->idle_blocks(), 0);  // the other one holds them
  fixture.pool->release(two.blocks);
  EXPECT_EQ(fixture.pool->idle_blocks(), 4);
}

TEST(PrefixCache, ReuseIsWholeBlocksUpToTheLimit) {
  Fixture fixture(16);
  fixture.serve(0, 192);
  const auto hashes = hashes_of(0, 192);
  EXPECT_EQ(fixture.cache->cached_tokens(hashes, 192), 192);
  EXPECT_EQ(fixture.cache->cached_tokens(hashes, 191), 128);
  EXPECT_EQ(fixture.cache->cached_tokens(hashes, 63), 0);
  EXPECT_EQ(fixture.cache->cached_tokens(hashes, -5), 0);
  const KvSequence sequence = fixture.cache->open(hashes, 191, 192).value();
  EXPECT_EQ(sequence.tokens, 128);
  EXPECT_EQ(sequence.blocks.size(), 6U);
}

TEST(PrefixCache, TheLeastRecentlyUsedGoesFirstAndItsEndBeforeItsBeginning) {
  Fixture fixture(12);
  fixture.serve(0, 192);     // 6 blocks
  fixture.serve(1000, 128);  // 4
  (void)fixture.cache->take_changes();
  const auto two = fixture.cache->acquire(4).value();  // 2 are free
  EXPECT_EQ(fixture.cached(0, 192), 128);
  EXPECT_EQ(fixture.cached(1000, 128), 128);
  EXPECT_THAT(fixture.cache->take_changes().evicted, ElementsAre(hashes_of(0, 192)[2]));
  fixture.pool->release(two);
  EXPECT_EQ(fixture.serve(0, 128), 128);  // now the second is the oldest
  const auto more = fixture.cache->acquire(6).value();
  EXPECT_EQ(fixture.cached(0, 128), 128);
  EXPECT_EQ(fixture.cached(1000, 128), 64);
}

TEST(PrefixCache, WhatIsInUseIsNotEvicted) {
  Fixture fixture(8);
  fixture.serve(0, 128);
  fixture.serve(1000, 128);
  const KvSequence used = fixture.cache->open(hashes_of(0, 128), 128, 128).value();
  EXPECT_EQ(fixture.cache->available_blocks(), 4);
  const auto refused = fixture.cache->acquire(5);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message, HasSubstr("4 of 8 blocks free or to be freed, 5"));
  EXPECT_EQ(fixture.cached(1000, 128), 128);  // nothing is evicted in vain
  EXPECT_EQ(fixture.cache->acquire(4).value().size(), 4U);
  EXPECT_EQ(fixture.cached(0, 128), 128);
  EXPECT_EQ(fixture.cached(1000, 128), 0);
}

TEST(PrefixCache, AnOpeningThatFailsHoldsNothing) {
  Fixture fixture(8);
  fixture.serve(0, 128);
  const auto hashes = hashes_of(0, 300);
  EXPECT_EQ(fixture.cache->open(hashes, 300, 300).error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(fixture.pool->free_blocks(), 4);
  EXPECT_EQ(fixture.pool->idle_blocks(), 4);
  // All of the pool, what is shared included.
  EXPECT_EQ(fixture.cache->open(hashes_of(0, 256), 256, 256).value().tokens, 128);
}

TEST(PrefixCache, TwoThatComputeTheSameKeepItOnce) {
  Fixture fixture(8);
  const auto hashes = hashes_of(0, 128);
  const KvSequence one = fixture.cache->open(hashes, 128, 128).value();
  const KvSequence two = fixture.cache->open(hashes, 128, 128).value();
  EXPECT_EQ(two.tokens, 0);
  fixture.cache->insert(hashes, one.blocks);
  fixture.cache->insert(hashes, two.blocks);
  fixture.pool->release(one.blocks);
  fixture.pool->release(two.blocks);
  EXPECT_EQ(fixture.pool->free_blocks(), 4);
  EXPECT_EQ(fixture.pool->idle_blocks(), 4);
  EXPECT_EQ(fixture.cache->entries(), 2U);
}

TEST(PrefixCache, ChangesSayTheLastOfEachHash) {
  Fixture fixture(4);
  fixture.serve(0, 128);
  const auto hashes = hashes_of(0, 128);
  auto changes = fixture.cache->take_changes();
  EXPECT_THAT(changes.stored, UnorderedElementsAreArray(hashes));
  EXPECT_THAT(changes.evicted, IsEmpty());
  EXPECT_TRUE(fixture.cache->take_changes().empty());
  fixture.serve(1000, 64);  // evicts the second block
  fixture.serve(0, 64);
  changes = fixture.cache->take_changes();
  EXPECT_THAT(changes.evicted, ElementsAre(hashes[1]));
  EXPECT_THAT(changes.stored, UnorderedElementsAreArray({hashes[0], hashes_of(1000, 64)[0]}));
}

TEST(PrefixCache, WithoutBlocksNothingIsKept) {
  auto pool = KvPool::create(kShape, 4).value();
  auto cache = PrefixCache::create(*pool, 0).value();
  const KvSequence sequence = cache->open({}, 128, 128).value();
  cache->insert(block_hashes(prompt_of(0, 128), 0, 0), sequence.blocks);
  pool->release(sequence.blocks);
  EXPECT_EQ(pool->free_blocks(), 4);
  EXPECT_TRUE(cache->take_changes().empty());
  EXPECT_EQ(cache->acquire(5).error().code, ErrorCode::kResourceExhausted);
}

TEST(PrefixCache, BlocksThatAreNoMultipleOfThePoolsAreRefused) {
  auto pool = KvPool::create(kShape, 4).value();
  for (const std::int64_t tokens : {std::int64_t{48}, std::int64_t{-32}, std::int64_t{1}}) {
    const auto refused = PrefixCache::create(*pool, tokens);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr("multiple of 32 tokens, not"));
  }
}

TEST(PrefixCache, GivesBackWhatItKeepsWhenItEnds) {
  Fixture fixture(8);
  fixture.serve(0, 128);
  const KvSequence used = fixture.cache->open(hashes_of(0, 64), 64, 64).value();
  fixture.cache.reset();
  EXPECT_EQ(fixture.pool->free_blocks(), 6);
  EXPECT_EQ(fixture.pool->idle_blocks(), 0);
  fixture.pool->release(used.blocks);
  EXPECT_EQ(fixture.pool->free_blocks(), 8);
}

// Every block says whose tokens were written to it: what is shared must still say so, whatever was
// opened, kept, ended and evicted in between.
class RandomUse {
 public:
  void step() {
    const auto tokens = static_cast<std::int64_t>(random_() % 400) + 1;
    const auto tree = static_cast<TokenId>(random_() % 4);
    std::vector<TokenId> prompt = prompt_of(tree * 1000, tokens);
    if (random_() % 2 == 0) prompt.back() = -static_cast<TokenId>(random_() % 3) - 1;
    const auto hashes = block_hashes(prompt, kBlock, 0);
    auto opened = fixture_.cache->open(hashes, tokens - 1, tokens);
    if (!opened) {
      ASSERT_GT(kv_blocks_for(tokens), fixture_.cache->available_blocks());
      return end_one();
    }
    ASSERT_LT(opened->tokens, tokens);
    for (std::int64_t i = 0; i < tokens; ++i) {
      TokenId& cell = cell_of(*opened, i);
      if (i >= opened->tokens) cell = prompt[static_cast<std::size_t>(i)];
      ASSERT_EQ(cell, prompt[static_cast<std::size_t>(i)]) << "token " << i;
    }
    reused_ += opened->tokens;
    fixture_.cache->insert(hashes, opened->blocks);
    take_changes();
    open_.push_back(std::move(*opened));
    while (open_.size() > random_() % 4) end_one();
  }
  std::int64_t reused() const { return reused_; }
  void end() {
    while (!open_.empty()) end_one();
    EXPECT_EQ(fixture_.cache->available_blocks(), fixture_.pool->blocks());
    EXPECT_EQ(known_.size(), fixture_.cache->entries());
    EXPECT_EQ(fixture_.pool->idle_blocks(), static_cast<std::int64_t>(2 * known_.size()));
  }

 private:
  TokenId& cell_of(const KvSequence& sequence, std::int64_t token) {
    const auto block = sequence.blocks[static_cast<std::size_t>(token / kKvBlockTokens)];
    return reinterpret_cast<TokenId*>(fixture_.pool->block(0, block))[token % kKvBlockTokens];
  }
  void end_one() {
    if (open_.empty()) return;
    std::swap(open_[random_() % open_.size()], open_.back());
    fixture_.pool->release(open_.back().blocks);
    open_.pop_back();
  }
  void take_changes() {
    const auto changes = fixture_.cache->take_changes();
    for (const PrefixHash hash : changes.evicted) EXPECT_EQ(known_.erase(hash), 1U);
    known_.insert(changes.stored.begin(), changes.stored.end());
  }

  Fixture fixture_{40};
  std::mt19937 random_{5};
  std::vector<KvSequence> open_;
  std::set<PrefixHash> known_;  // by what the changes said
  std::int64_t reused_ = 0;
};

TEST(PrefixCache, SharedBlocksKeepTheirContentsUnderRandomUse) {
  RandomUse use;
  for (int i = 0; i < 2000; ++i) ASSERT_NO_FATAL_FAILURE(use.step()) << "step " << i;
  EXPECT_GT(use.reused(), 20'000);
  use.end();
}

}  // namespace
}  // namespace sluice::runtime
