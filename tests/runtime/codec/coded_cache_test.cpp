// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/coded_cache.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "tests/runtime/codec/codec_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using testing::fixture_cache;
using testing::fixture_pipeline;
using ::testing::HasSubstr;
using testing::same_rows;

CodedCache encoded(const DumpedCache& cache, const kernels::Pipeline& pipeline,
                   const CacheEncoding& options = {}) {
  auto coded = encode_cache(cache, pipeline, options, nullptr);
  EXPECT_TRUE(coded.has_value()) << coded.error().message;
  return coded ? std::move(*coded) : CodedCache{};
}

TEST(CodedCache, RawFramesBringBackEveryBit) {
  const DumpedCache cache = fixture_cache(40);
  double encode_s = -1.0;
  double decode_s = -1.0;
  const auto coded = encode_cache(cache, *fixture_pipeline({}), {.part_tokens = 16}, &encode_s);
  ASSERT_TRUE(coded.has_value());
  const auto decoded = decode_cache(*coded, nullptr, &decode_s);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(decoded->frames.size(), 9U);  // parts of 16, 16 and 8 tokens, each of three layers
  EXPECT_TRUE(same_rows(decoded->cache, cache));
  EXPECT_EQ(decoded->positions.size(), 6U);
  EXPECT_EQ(decoded->positions[5].size(), 40U);
  EXPECT_GE(encode_s, 0.0);
  EXPECT_GE(decode_s, 0.0);
}

TEST(CodedCache, OfNoTokensIsThreeEmptyFrames) {
  const auto coded = encoded(fixture_cache(0), *fixture_pipeline({}));
  const auto decoded = decode_cache(coded, nullptr, nullptr);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(decoded->cache.tokens(), 0);
  EXPECT_EQ(decoded->frames.size(), 3U);
}

TEST(CodedCache, KeptRowsComeFirstWithTheirPositions) {
  const DumpedCache cache = fixture_cache(10);
  const auto coded = encoded(cache, *fixture_pipeline({{"streaming", {{"budget", 0.5}}}}));
  const auto decoded = decode_cache(coded, nullptr, nullptr);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  const auto& kept = decoded->positions[0];
  ASSERT_LT(kept.size(), 10U);
  ASSERT_GT(kept.size(), 1U);
  EXPECT_EQ(kept.back(), 9);
  const auto row = kept.size() - 1;
  const auto* was = reinterpret_cast<const std::uint16_t*>(cache.pages(0).blocks[0]) + 9 * 16;
  const auto* is =
      reinterpret_cast<const std::uint16_t*>(decoded->cache.pages(0).blocks[0]) + row * 16;
  EXPECT_EQ(std::memcmp(was, is, 32), 0);
}

class CodedCacheFile : public ::testing::Test {
 protected:
  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Error refused(const std::string& bytes) const {
    const auto loaded = CodedCache::load(folder_.write("bad.frames", bytes));
    if (!loaded) return loaded.error();
    const auto decoded = decode_cache(*loaded, nullptr, nullptr);
    EXPECT_FALSE(decoded.has_value());
    return decoded ? Error{} : decoded.error();
  }

  tests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "a.frames";
};

TEST_F(CodedCacheFile, ComesBackAsItWas) {
  CodedCache coded = encoded(fixture_cache(5), *fixture_pipeline({}));
  coded.shape.rope = {{1.0, 0.25}, 1.5, true};
  ASSERT_TRUE(coded.save(path_));
  const auto loaded = CodedCache::load(path_);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->tokens, 5);
  EXPECT_EQ(loaded->heads, 4);
  EXPECT_EQ(loaded->shape.model_fingerprint, 77U);
  EXPECT_THAT(loaded->shape.rope.radians_per_position, ElementsAre(1.0, 0.25));
  EXPECT_EQ(loaded->shape.rope.attention_factor, 1.5);
  EXPECT_TRUE(loaded->shape.rope.is_interleaved);
  EXPECT_EQ(loaded->frames, coded.frames);
}

TEST_F(CodedCacheFile, ThatIsDamagedIsRefused) {
  ASSERT_TRUE(encoded(fixture_cache(5), *fixture_pipeline({})).save(path_));
  const std::string good = content();
  EXPECT_EQ(CodedCache::load(folder_.path() / "none").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(refused("no frames at all").message, HasSubstr("not a file of frames"));
  std::string newer = good;
  newer[4] = 9;
  EXPECT_EQ(refused(newer).code, ErrorCode::kUnsupported);
  std::string flat = good;
  for (std::size_t i = 16; i < 20; ++i) flat[i] = 0;  // no layers
  EXPECT_THAT(refused(flat).message, HasSubstr("impossible shape"));
  std::string endless = good;  // tokens: the fifth of the header's sizes
  for (std::size_t i = 32; i < 36; ++i) endless[i] = '\x7f';
  EXPECT_THAT(refused(endless).message, HasSubstr("impossible shape"));
  EXPECT_THAT(refused(good.substr(0, 48)).message, HasSubstr("without a frame"));
  std::string flipped = good;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  EXPECT_EQ(refused(flipped).code, ErrorCode::kCorrupt);
  for (const std::size_t bytes : {std::size_t{3}, std::size_t{30}, good.size() - 1}) {
    EXPECT_EQ(refused(good.substr(0, bytes)).code, ErrorCode::kCorrupt) << bytes;
  }
}

TEST_F(CodedCacheFile, FramesMustCoverEveryTokenOnce) {
  const CodedCache whole = encoded(fixture_cache(32), *fixture_pipeline({}), {.part_tokens = 16});
  const auto info = kernels::read_frame_info(whole.frames);
  ASSERT_TRUE(info.has_value());
  const auto first = static_cast<std::ptrdiff_t>(info->frame_bytes);

  CodedCache lacking = whole;
  lacking.frames.erase(lacking.frames.begin(), lacking.frames.begin() + first);
  EXPECT_THAT(decode_cache(lacking, nullptr, nullptr).error().message, HasSubstr("lacks some"));

  CodedCache twice = whole;  // the first frame in place of the second
  std::copy_n(whole.frames.begin(), first, twice.frames.begin() + first);
  EXPECT_THAT(decode_cache(twice, nullptr, nullptr).error().message, HasSubstr("out of order"));

  CodedCache other = whole;
  other.shape.kv_heads = 4;
  EXPECT_THAT(decode_cache(other, nullptr, nullptr).error().message, HasSubstr("another shape"));

  CodedCache fewer = whole;
  fewer.tokens = 31;
  EXPECT_FALSE(decode_cache(fewer, nullptr, nullptr).has_value());
}

}  // namespace
}  // namespace sluice::runtime
