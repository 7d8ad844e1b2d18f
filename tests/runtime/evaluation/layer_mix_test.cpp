// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/layer_mix.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "kernels/core/tensor_view.hpp"
#include "runtime/codec/coded_cache.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kTokens = 21;

kernels::CacheShape small_shape() {
  kernels::CacheShape shape;
  shape.model_fingerprint = 7;
  shape.layers = 3;
  shape.kv_heads = 2;
  shape.head_dim = 32;
  return shape;
}

DumpedCache waves() {
  DumpedCache cache(small_shape(), 4, kTokens);
  for (std::int64_t layer = 0; layer < 3; ++layer) {
    std::byte* to = cache.pages(layer).blocks[0];
    for (std::int64_t i = 0; i < 2 * 2 * kTokens * 32; ++i) {
      const auto value = static_cast<float>(std::sin(0.7 * static_cast<double>(i + 100 * layer)));
      const std::uint16_t half = bf16_from_f32(value);
      std::memcpy(to + 2 * i, &half, 2);
    }
  }
  return cache;
}

std::unique_ptr<const kernels::Pipeline> pipeline_of(const kernels::PipelineSpec& spec) {
  return *kernels::Pipeline::create(spec, small_shape(), nullptr);
}

std::string bytes_of(const DumpedCache& cache, std::int64_t layer, std::int64_t half) {
  constexpr std::size_t kHalf = 2 * kTokens * 32 * 2;
  const std::byte* from = cache.pages(layer).blocks[0] + half * static_cast<std::int64_t>(kHalf);
  return {reinterpret_cast<const char*>(from), kHalf};
}

std::string bytes_of(const DumpedCache& cache, std::int64_t layer) {
  return bytes_of(cache, layer, 0) + bytes_of(cache, layer, 1);
}

// The promise of the header: what a pipeline that spares layers would have brought, bit for bit.
TEST(LayerMix, IsWhatFramesWouldBring) {
  const DumpedCache exact = waves();
  const auto quantized = quantize_cache(exact, *pipeline_of(layer_quantizer(4)));
  ASSERT_TRUE(quantized) << quantized.error().message;
  MixedCache mixed(exact, quantized->cache);
  for (std::int32_t spared = 0; spared < 3; ++spared) {
    kernels::PipelineSpec spec = layer_quantizer(4);
    spec.stages.insert(spec.stages.begin(),
                       {"bottleneck", {{"layers", std::vector<double>{double(spared)}}}});
    const auto coded = encode_cache(exact, *pipeline_of(spec), {}, nullptr);
    ASSERT_TRUE(coded) << coded.error().message;
    const auto expected = decode_cache(*coded, nullptr, nullptr);
    ASSERT_TRUE(expected) << expected.error().message;
    LayerMix mix(3, QuantizedPart::kBoth);
    mix[static_cast<std::size_t>(spared)] = QuantizedPart::kNone;
    const DumpedCache& found = mixed.set(mix);
    for (std::int64_t layer = 0; layer < 3; ++layer) {
      EXPECT_EQ(bytes_of(found, layer), bytes_of(expected->cache, layer)) << layer << spared;
    }
    EXPECT_EQ(bytes_of(found, spared), bytes_of(exact, spared));
  }
}

TEST(LayerMix, KeysAndValuesApart) {
  const DumpedCache exact = waves();
  const auto quantized = quantize_cache(exact, *pipeline_of(layer_quantizer(2)));
  ASSERT_TRUE(quantized) << quantized.error().message;
  ASSERT_NE(bytes_of(quantized->cache, 1, 0), bytes_of(exact, 1, 0));
  ASSERT_NE(bytes_of(quantized->cache, 1, 1), bytes_of(exact, 1, 1));
  MixedCache mixed(exact, quantized->cache);
  mixed.set({QuantizedPart::kBoth, QuantizedPart::kBoth, QuantizedPart::kValue});
  const DumpedCache& found =
      mixed.set({QuantizedPart::kKey, QuantizedPart::kValue, QuantizedPart::kNone});
  EXPECT_EQ(bytes_of(found, 0, 0), bytes_of(quantized->cache, 0, 0));
  EXPECT_EQ(bytes_of(found, 0, 1), bytes_of(exact, 0, 1));
  EXPECT_EQ(bytes_of(found, 1, 0), bytes_of(exact, 1, 0));
  EXPECT_EQ(bytes_of(found, 1, 1), bytes_of(quantized->cache, 1, 1));
  EXPECT_EQ(bytes_of(found, 2), bytes_of(exact, 2));
}

TEST(LayerMix, FewerBitsAreFewerBytes) {
  const DumpedCache exact = waves();
  const auto four = quantize_cache(exact, *pipeline_of(layer_quantizer(4)));
  const auto two = quantize_cache(exact, *pipeline_of(layer_quantizer(2)));
  ASSERT_TRUE(four && two);
  EXPECT_LT(two->frame_bytes, four->frame_bytes);
  EXPECT_LT(four->frame_bytes, 3 * 2 * 2 * kTokens * 32 * 2);
}

}  // namespace
}  // namespace sluice::runtime
