// SPDX-License-Identifier: Apache-2.0
// What one rank of several holds of a synthetic cache: the same numbers whoever holds them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <vector>

#include "kernels/pipeline/frame.hpp"
#include "runtime/frames/frame_decode.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/frames/kept_rows.hpp"

namespace sluice::runtime::testing {

inline constexpr std::int64_t kRankTokens = 75;
inline constexpr CacheRange kRankWhole{0, 3, 0, 8};

inline kernels::CacheShape rank_model() {
  return {.layers = 3, .kv_heads = 8, .head_dim = 32, .model_fingerprint = 11, .rope = {}};
}

inline std::unique_ptr<const kernels::Pipeline> rank_pipeline(
    std::vector<kernels::StageSpec> stages) {
  return kernels::Pipeline::create({.name = "p", .summary = "", .stages = std::move(stages)},
                                   rank_model(), nullptr)
      .value();
}

class RankCache {
 public:
  // Empty pages for a range of heads, of all layers.
  explicit RankCache(const CacheRange& range) : range_(range) {
    const auto model = rank_model();
    const KvShape shape{model.layers, range.head_count, model.head_dim, DType::kBF16,
                        range.head_first};
    pool_ = KvPool::create(shape, 8).value();
    // Not the first blocks, and not in order.
    const auto acquired = pool_->acquire(kv_blocks_for(kRankTokens) + 2).value();
    blocks_.assign(acquired.rbegin(), acquired.rend() - 2);
  }

  RankCache& fill() {
    each([](std::uint16_t& value, std::uint32_t place) {
      value = bf16_from_f32(static_cast<float>(place * 2654435761U >> 20) / 1024.0F - 2.0F);
    });
    return *this;
  }

  // What rows it has, [head][layer][half][token][channel]: ranks' rows one after another are the
  // whole's.
  std::vector<std::uint16_t> rows() {
    std::vector<std::uint16_t> all;
    each([&](std::uint16_t& value, std::uint32_t) { all.push_back(value); });
    return all;
  }

  KvPool& pool() { return *pool_; }
  const std::vector<KvBlockId>& blocks() const { return blocks_; }
  const CacheRange& range() const { return range_; }

 private:
  template <class Body>
  void each(const Body& body) {
    const KvShape& shape = pool_->shape();
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
        for (std::int64_t half = 0; half < 2; ++half) {
          for (std::int64_t token = 0; token < kRankTokens; ++token) {
            auto* block = reinterpret_cast<std::uint16_t*>(
                pool_->block(layer, blocks_[static_cast<std::size_t>(token / kKvBlockTokens)]));
            auto* row =
                block + ((half * shape.kv_heads + head) * kKvBlockTokens + token % kKvBlockTokens) *
                            shape.head_dim;
            for (std::int64_t c = 0; c < shape.head_dim; ++c) {
              const std::int64_t place =
                  (((shape.head_first + head) * 3 + layer) * 2 + half) * 100000 + token * 32 + c;
              body(row[c], static_cast<std::uint32_t>(place));
            }
          }
        }
      }
    }
  }

  CacheRange range_;
  std::unique_ptr<KvPool> pool_;
  std::vector<KvBlockId> blocks_;
};

// The frames of a part of what a rank holds.
struct SentFrames {
  FramePlan plan;
  std::vector<std::byte> memory;
  std::vector<MadeFrame> frames;
};

inline Result<SentFrames> encode_range(std::shared_ptr<const kernels::Pipeline> pipeline,
                                       RankCache& from, const CacheRange& range) {
  SentFrames sent;
  sent.plan = plan_frames(*pipeline, kRankTokens, 32, range);
  sent.memory.resize(sent.plan.bytes);
  EncodeRequest request;
  request.pipeline = std::move(pipeline);
  request.plan = sent.plan;
  request.kv_pool = &from.pool();
  request.blocks = from.blocks();
  request.tokens = kRankTokens;
  request.memory = sent.memory;
  std::mutex mutex;
  CodecPool threads(2);
  FrameEncoder encoder(threads, std::move(request), [&](const MadeFrame& made) {
    const std::lock_guard lock(mutex);
    sent.frames.push_back(made);
  });
  for (std::int64_t layer = 0; layer < 3; ++layer) encoder.layer_ready(layer, kRankTokens);
  SLUICE_TRY(encoder.finish());
  return sent;
}

}  // namespace sluice::runtime::testing
