// SPDX-License-Identifier: Apache-2.0
// A small filled cache, and its frames.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "runtime/frames/frame_encoder.hpp"
#include "runtime/frames/frame_plan.hpp"

namespace sluice::runtime::testing {

inline constexpr std::int64_t kTokens = 70;

struct FrameFixture {
  KvShape shape{4, 2, 8, DType::kBF16};
  kernels::CacheShape cache_shape{.layers = 4, .kv_heads = 2, .head_dim = 8, .rope = {}};
  std::shared_ptr<const kernels::Pipeline> pipeline;
  FramePlan plan;
  std::unique_ptr<KvPool> pool = KvPool::create(shape, 2 * kv_blocks_for(kTokens)).value();
  std::vector<KvBlockId> blocks = pool->acquire(kv_blocks_for(kTokens)).value();
  std::vector<kernels::LayerScores> scores = std::vector<kernels::LayerScores>(4);
  std::vector<std::byte> memory;
  PipelineChoice choose = {};
  std::mutex mutex;
  std::vector<MadeFrame> frames;  // in the order in which they were made

  explicit FrameFixture(std::vector<kernels::StageSpec> stages)
      : pipeline(
            kernels::Pipeline::create({.name = "p", .summary = "", .stages = std::move(stages)},
                                      cache_shape, nullptr)
                .value()),
        plan(plan_frames(*pipeline, kTokens, 32)),
        memory(plan.bytes) {
    std::mt19937 random(3);
    for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
      for (const KvBlockId block : blocks) {
        auto* values = reinterpret_cast<std::uint16_t*>(pool->block(layer, block));
        for (std::size_t i = 0; i < pool->block_bytes() / 2; ++i) {
          values[i] = bf16_from_f32(static_cast<float>(random() % 1000) / 100.0F - 5.0F);
        }
      }
      kernels::LayerScores& of_layer = scores[static_cast<std::size_t>(layer)];
      of_layer.tokens = kTokens;
      of_layer.kv_heads = shape.kv_heads;
      of_layer.window_first = kTokens - 8;
      of_layer.similarity = 0.5F;
      for (std::int64_t i = 0; i < shape.kv_heads * kTokens; ++i) {
        of_layer.window.push_back(static_cast<float>(random() % 1000));
      }
    }
  }

  std::unique_ptr<FrameEncoder> encoder(CodecPool& threads) {
    EncodeRequest request;
    request.pipeline = pipeline;
    request.plan = plan;
    request.kv_pool = pool.get();
    request.blocks = blocks;
    request.tokens = kTokens;
    request.scores = scores;
    request.memory = memory;
    request.choose = choose;
    return std::make_unique<FrameEncoder>(threads, std::move(request), [this](const MadeFrame& m) {
      const std::lock_guard lock(mutex);
      frames.push_back(m);
    });
  }
  std::size_t made() {
    const std::lock_guard lock(mutex);
    return frames.size();
  }
};

}  // namespace sluice::runtime::testing
