// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/error_weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "kernels/core/dtype.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/prefill_torch.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

// A tiny model's cache of a few tokens, with all layers' pages.
struct Cache {
  explicit Cache(const ModelFile& model, std::span<const TokenId> tokens) {
    const KvShape shape = kv_shape_of(model.spec());
    pool = std::move(*KvPool::create(shape, 4));
    sequence = {*pool->acquire(4), 0, {}};
    auto engine = create_prefill_torch(model, {.compute = ComputeType::kF32, .threads = 1},
                                       TorchPath::kPlain, {});
    EXPECT_TRUE((*engine)->prefill(*pool, sequence, tokens, {}, {}));
    for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
      starts.emplace_back();
      for (const KvBlockId block : sequence.blocks) {
        starts.back().push_back(pool->block(layer, block));
      }
    }
    for (const auto& of_layer : starts) {
      pages.push_back({of_layer, kKvBlockTokens, shape.kv_heads, shape.head_dim, 2});
    }
  }
  std::unique_ptr<KvPool> pool;
  KvSequence sequence;
  std::vector<std::vector<std::byte*>> starts;
  std::vector<kernels::KvPages> pages;
};

std::vector<TokenId> some_tokens(std::int64_t vocab, std::size_t count) {
  std::mt19937 random(5);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) {
    token = static_cast<TokenId>(random() % static_cast<unsigned>(vocab));
  }
  return tokens;
}

TEST(ErrorWeights, AreSymmetricPositiveAndOfUnitMean) {
  const TinyModel model(tiny_spec());
  const auto tokens = some_tokens(model.spec().vocab, 60);
  const Cache cache(model, std::span(tokens).first(50));
  const auto meter = ErrorWeightMeter::create(model);
  ASSERT_TRUE(meter);
  ASSERT_TRUE((*meter)->observe(cache.pages, 50, std::span(tokens).subspan(50), 1));
  const auto weights = (*meter)->finish();
  ASSERT_TRUE(weights);
  const auto width = static_cast<std::size_t>(model.spec().kv_width());
  double diagonal = 0.0;
  std::size_t matrices = 0;
  for (const auto* half : {&weights->key, &weights->value}) {
    ASSERT_EQ(half->size(), static_cast<std::size_t>(model.spec().layers));
    for (const auto& matrix : *half) {
      ASSERT_EQ(matrix.size(), width * width);
      for (std::size_t i = 0; i < width; ++i) {
        EXPECT_GE(matrix[i * width + i], 0.0F);
        diagonal += matrix[i * width + i] / static_cast<double>(width);
        for (std::size_t j = 0; j < width; ++j) {
          EXPECT_NEAR(matrix[i * width + j], matrix[j * width + i], 1e-3);
        }
      }
      ++matrices;
    }
  }
  EXPECT_NEAR(diagonal / static_cast<double>(matrices), 1.0, 1e-4);
}

TEST(ErrorWeights, RepeatWithTheirSeedAndDependOnIt) {
  const TinyModel model(tiny_spec());
  const auto tokens = some_tokens(model.spec().vocab, 40);
  const Cache cache(model, std::span(tokens).first(32));
  const auto weights = [&](std::uint64_t seed) {
    const auto meter = ErrorWeightMeter::create(model);
    EXPECT_TRUE((*meter)->observe(cache.pages, 32, std::span(tokens).subspan(32), seed));
    return (*meter)->finish()->value[0];
  };
  EXPECT_EQ(weights(3), weights(3));
  EXPECT_NE(weights(3), weights(4));
}

TEST(ErrorWeights, RefuseWhatTheyCannotMeasure) {
  const TinyModel model(tiny_spec());
  const auto tokens = some_tokens(model.spec().vocab, 20);
  const Cache cache(model, tokens);
  const auto meter = ErrorWeightMeter::create(model);
  ASSERT_TRUE(meter);
  EXPECT_EQ((*meter)->finish().error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE((*meter)->observe(cache.pages, 20, {}, 1));
  EXPECT_FALSE((*meter)->observe(cache.pages, 4, tokens, 1));
  EXPECT_FALSE((*meter)->observe({}, 20, tokens, 1));
}

}  // namespace
}  // namespace sluice::runtime
