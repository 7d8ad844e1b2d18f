// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/cache_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "runtime/model/safetensors_writer.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CacheFile : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("sluice-cache-" + std::to_string(getpid()) + ".safetensors");
};

DumpedCache small_cache() {
  DumpedCache cache({.layers = 2,
                     .kv_heads = 2,
                     .head_dim = 4,
                     .model_fingerprint = 0x123456789abcdef0U,
                     .rope = {{1.0, 0.1}, 1.5, true}},
                    4, 3);
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    std::memset(cache.pages(layer).blocks[0], static_cast<int>(layer + 1), 2 * 2 * 3 * 4 * 2);
  }
  cache.windows.resize(2);
  cache.scores.resize(2);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    cache.windows[layer].queries.assign(2 * 4 * 4, 0.5F);
    cache.windows[layer].lse = {1, 2, 3, 4, 5, 6, 7, 8};
    cache.scores[layer].accumulated = {1, 2, 3, 4, 5, 6};
    cache.scores[layer].similarity = static_cast<float>(layer);
  }
  return cache;
}

TEST_F(CacheFile, ComesBackAsItWas) {
  const DumpedCache cache = small_cache();
  ASSERT_TRUE(cache.save(path_));
  const auto loaded = DumpedCache::load(path_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->tokens(), 3);
  EXPECT_EQ(loaded->heads(), 4);
  EXPECT_EQ(loaded->shape().model_fingerprint, 0x123456789abcdef0U);
  EXPECT_THAT(loaded->shape().rope.radians_per_position, ElementsAre(1.0, 0.1));
  EXPECT_EQ(loaded->shape().rope.attention_factor, 1.5);
  EXPECT_TRUE(loaded->shape().rope.is_interleaved);
  EXPECT_EQ(std::memcmp(loaded->pages(1).blocks[0], cache.pages(1).blocks[0], 96), 0);
  EXPECT_EQ(loaded->windows[1].lse, cache.windows[1].lse);
  EXPECT_EQ(loaded->scores[0].accumulated, cache.scores[0].accumulated);
  EXPECT_TRUE(loaded->scores[0].expected.empty());
  EXPECT_EQ(loaded->scores[1].similarity, 1.0F);
}

TEST_F(CacheFile, OfNoTokensIsAFileToo) {
  const DumpedCache cache({.layers = 1, .kv_heads = 1, .head_dim = 2, .rope = {}}, 1, 0);
  ASSERT_TRUE(cache.save(path_));
  const auto loaded = DumpedCache::load(path_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->tokens(), 0);
}

TEST(CacheSizes, ThatNoCacheHasAreRefused) {
  struct Sizes {
    std::int64_t layers, kv_heads, head_dim, heads, tokens;
  };
  const auto is_possible = [](const Sizes& s) {
    return is_possible_cache({s.layers, s.kv_heads, s.head_dim, 0, {}}, s.heads, s.tokens);
  };
  EXPECT_TRUE(is_possible({30, 3, 64, 9, 8192}));
  EXPECT_TRUE(is_possible({1, 1, 1, 1, 0}));
  EXPECT_TRUE(is_possible({4, 4, 64, 4, 1 << 24}));  // 64 GiB
  EXPECT_FALSE(is_possible({5, 4, 64, 4, 1 << 24}));
  EXPECT_FALSE(is_possible({65535, 65535, 65535, 65535, 1 << 24}));  // a product of over 2^64
  EXPECT_FALSE(is_possible({1, 1, 1, 1, (1 << 24) + 1}));
  EXPECT_FALSE(is_possible({1, 1, 1, 1, -1}));
  EXPECT_FALSE(is_possible({65536, 1, 1, 1, 1}));
  EXPECT_FALSE(is_possible({1, 0, 1, 1, 1}));
  EXPECT_FALSE(is_possible({1, 4, 64, 6, 1}));  // heads in groups of one and a half
  EXPECT_FALSE(is_possible({1, 4, 64, 2, 1}));
}

TEST(CacheSizes, OfAnotherCacheAreNotAlike) {
  const kernels::CacheShape shape{2, 2, 4, 7, {}};
  const DumpedCache cache(shape, 4, 3);
  EXPECT_TRUE(cache.is_like(DumpedCache(shape, 4, 3)));
  EXPECT_FALSE(cache.is_like(DumpedCache(shape, 4, 2)));
  EXPECT_FALSE(cache.is_like(DumpedCache(shape, 2, 3)));
  EXPECT_FALSE(cache.is_like(DumpedCache({1, 2, 4, 7, {}}, 4, 3)));
  EXPECT_FALSE(cache.is_like(DumpedCache({2, 1, 4, 7, {}}, 4, 3)));
  EXPECT_FALSE(cache.is_like(DumpedCache({2, 2, 2, 7, {}}, 4, 3)));
  EXPECT_FALSE(cache.is_like(DumpedCache({2, 2, 4, 8, {}}, 4, 3)));
}

TEST_F(CacheFile, OfHeadsInNoWholeGroupsIsRefused) {
  const DumpedCache cache({.layers = 1, .kv_heads = 2, .head_dim = 2, .rope = {}}, 3, 1);
  ASSERT_TRUE(cache.save(path_));
  const auto loaded = DumpedCache::load(path_);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("impossible shape"));
}

TEST_F(CacheFile, ThatIsSomethingElseIsRefused) {
  const std::array<std::int32_t, 5> sizes{1000, 1, 64, 1, 100000};
  const std::array<std::int32_t, 3> rope{};
  const std::array<std::int32_t, 2> mark{};
  const auto view = [](const auto& values) {
    return TensorView{reinterpret_cast<const std::byte*>(values.data()),
                      DType::kI32,
                      1,
                      {static_cast<std::int64_t>(values.size())}};
  };
  std::vector<NamedTensor> tensors{{"shape", view(sizes)}, {"fingerprint", view(mark)}};
  ASSERT_TRUE(write_safetensors(path_, tensors));
  EXPECT_THAT(DumpedCache::load(path_).error().message, HasSubstr("'rope' is missing"));
  tensors.push_back({"rope", view(rope)});
  ASSERT_TRUE(write_safetensors(path_, tensors));
  const auto loaded = DumpedCache::load(path_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(loaded.error().message, HasSubstr("'k.0' is missing"));
}

}  // namespace
}  // namespace sluice::runtime
