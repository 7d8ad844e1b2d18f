// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/kv_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr KvShape kSmall{.layers = 3, .kv_heads = 2, .head_dim = 64, .dtype = DType::kBF16};

TEST(KvPool, SizesFollowTheShape) {
  EXPECT_EQ(kSmall.bytes_per_token(), 3U * 2U * 64U * 2U * 2U);
  auto pool = KvPool::create(kSmall, 5).value();
  EXPECT_EQ(pool->blocks(), 5);
  EXPECT_EQ(pool->free_blocks(), 5);
  EXPECT_EQ(pool->block_bytes(), 2U * 2U * 32U * 64U * 2U);
  KvShape wide = kSmall;
  wide.dtype = DType::kF32;
  EXPECT_EQ(KvPool::create(wide, 5).value()->block_bytes(), 2 * pool->block_bytes());
}

TEST(KvPool, BlocksArePageAlignedDisjointAndWritable) {
  auto pool = KvPool::create(kSmall, 4).value();
  std::set<std::byte*> starts;
  for (std::int64_t layer = 0; layer < 3; ++layer) {
    for (KvBlockId id = 0; id < 4; ++id) {
      std::byte* start = pool->block(layer, id);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(start) % 4096, 0U);
      std::memset(start, static_cast<int>(layer * 4 + id + 1), pool->block_bytes());
      starts.insert(start);
    }
  }
  EXPECT_EQ(starts.size(), 12U);
  for (std::int64_t layer = 0; layer < 3; ++layer) {
    for (KvBlockId id = 0; id < 4; ++id) {
      const auto expected = static_cast<std::byte>(layer * 4 + id + 1);
      EXPECT_EQ(pool->block(layer, id)[0], expected);
      EXPECT_EQ(pool->block(layer, id)[pool->block_bytes() - 1], expected);
    }
  }
}

TEST(KvPool, AcquireIsAllOrNothing) {
  auto pool = KvPool::create(kSmall, 4).value();
  const auto first = pool->acquire(3).value();
  EXPECT_THAT(first, ElementsAre(0, 1, 2));
  const auto refused = pool->acquire(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message, HasSubstr("1 of 4 blocks free, 2 were asked for"));
  EXPECT_EQ(pool->free_blocks(), 1);
  EXPECT_THAT(pool->acquire(1).value(), ElementsAre(3));
  EXPECT_THAT(pool->acquire(0).value(), ElementsAre());
}

TEST(KvPool, ReleasedBlocksComeBack) {
  auto pool = KvPool::create(kSmall, 4).value();
  const auto all = pool->acquire(4).value();
  pool->release(std::span(all).subspan(1, 2));
  EXPECT_EQ(pool->free_blocks(), 2);
  EXPECT_THAT(pool->acquire(2).value(), ElementsAre(1, 2));
}

TEST(KvPoolDeathTest, DoubleReleaseIsCaught) {
  auto pool = KvPool::create(kSmall, 4).value();
  const auto one = pool->acquire(1).value();
  pool->release(one);
  EXPECT_DEATH(pool->release(one), "released twice");
  const KvBlockId foreign[] = {4};
  EXPECT_DEATH(pool->release(foreign), "another pool");
}

TEST(KvPool, ASharedBlockIsFreeWhenItsLastHolderHasReleasedIt) {
  auto pool = KvPool::create(kSmall, 4).value();
  const auto two = pool->acquire(2).value();
  pool->share(two);
  pool->release(two);
  EXPECT_EQ(pool->free_blocks(), 2);
  EXPECT_TRUE(pool->is_held(two[0]));
  pool->release(two);
  EXPECT_EQ(pool->free_blocks(), 4);
  EXPECT_FALSE(pool->is_held(two[0]));
}

TEST(KvPool, AKeptBlockIsIdleWithoutHoldersAndCanBeSharedAgain) {
  auto pool = KvPool::create(kSmall, 4).value();
  const auto two = pool->acquire(2).value();
  pool->keep(two);
  EXPECT_EQ(pool->idle_blocks(), 0);
  pool->release(two);
  EXPECT_EQ(pool->idle_blocks(), 2);
  EXPECT_EQ(pool->free_blocks(), 2);
  EXPECT_FALSE(pool->acquire(3).has_value());
  pool->share(std::span(two).first(1));
  EXPECT_EQ(pool->idle_blocks(), 1);
  pool->drop(two);  // one is held yet
  EXPECT_EQ(pool->idle_blocks(), 0);
  EXPECT_EQ(pool->free_blocks(), 3);
  pool->release(std::span(two).first(1));
  EXPECT_EQ(pool->free_blocks(), 4);
}

TEST(KvPoolDeathTest, WhatIsKeptIsNoHolder) {
  auto pool = KvPool::create(kSmall, 2).value();
  const auto one = pool->acquire(1).value();
  pool->keep(one);
  EXPECT_DEATH(pool->keep(one), "kept twice");
  pool->release(one);
  EXPECT_DEATH(pool->release(one), "released twice");
  EXPECT_DEATH(pool->keep(one), "nobody holds");
  pool->drop(one);
  EXPECT_DEATH(pool->drop(one), "not kept");
  EXPECT_DEATH(pool->share(one), "nothing to share");
}

TEST(KvPool, TooLargeSaysHowMuchWasAsked) {
  KvShape huge{.layers = 1024, .kv_heads = 1024, .head_dim = 1024, .dtype = DType::kF32};
  const auto refused =
      KvPool::create(huge, 1024);  // 2^40 elements of 32 tokens, K and V: 2^48 bytes
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message, HasSubstr("262144.0 GiB"));
  huge.layers = huge.kv_heads = huge.head_dim = std::int64_t{1} << 40;
  EXPECT_EQ(KvPool::create(huge, 1 << 30).error().code, ErrorCode::kResourceExhausted);
}

TEST(KvPool, NonsenseIsRefused) {
  KvShape shape = kSmall;
  EXPECT_EQ(KvPool::create(shape, 0).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(KvPool::create(shape, std::int64_t{1} << 31).error().code, ErrorCode::kInvalidArgument);
  shape.dtype = DType::kQ4_0;
  EXPECT_THAT(KvPool::create(shape, 1).error().message, HasSubstr("q4_0"));
  shape = kSmall;
  shape.kv_heads = -1;
  EXPECT_EQ(KvPool::create(shape, 1).error().code, ErrorCode::kInvalidArgument);
}

TEST(KvBlocksFor, RoundsUp) {
  EXPECT_EQ(kv_blocks_for(0), 0);
  EXPECT_EQ(kv_blocks_for(1), 1);
  EXPECT_EQ(kv_blocks_for(32), 1);
  EXPECT_EQ(kv_blocks_for(33), 2);
}

}  // namespace
}  // namespace sluice::runtime
