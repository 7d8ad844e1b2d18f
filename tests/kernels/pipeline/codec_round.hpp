// SPDX-License-Identifier: Apache-2.0
// Encoding and decoding a fixture's layers, as the pipeline's tests want it.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pipeline/frame.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "tests/support/kv_fixture.hpp"

namespace sluice::tests {

inline std::unique_ptr<const kernels::Pipeline> must_create(
    const kernels::PipelineSpec& spec, const kernels::CacheShape& shape,
    std::shared_ptr<const kernels::Profile> profile = nullptr) {
  auto pipeline = kernels::Pipeline::create(spec, shape, std::move(profile));
  EXPECT_TRUE(pipeline) << pipeline.error().message;
  return pipeline ? std::move(*pipeline) : nullptr;
}

// One frame of the layers from `layer` on; as many as the pipeline codes together. `all`: the
// cache's pages, or a copy of them in `memory`.
inline Result<std::vector<std::byte>> encode_pages(
    const kernels::Pipeline& pipeline, const KvFixture& cache,
    const std::vector<kernels::KvPages>& all, MemoryKind memory, std::int64_t layer,
    kernels::EncodeReport* report, kernels::Scratch* kept, std::int64_t head_first = 0) {
  const auto count = std::min(pipeline.layers_per_frame(), cache.shape().layers - layer);
  const auto pages =
      std::span(all).subspan(static_cast<std::size_t>(layer), static_cast<std::size_t>(count));
  const auto scores = cache.scores(pipeline.score_needs());
  kernels::EncodeTask task;
  task.layer_first = layer;
  task.pages = pages;
  task.head_first = head_first;  // and the rest of them
  task.memory = memory;
  task.last_token = cache.spec().tokens;
  task.seed = 7;
  kernels::LayerPlan plan;
  if (pipeline.needs_all_layers()) {
    plan = SLUICE_TRY(pipeline.plan_layers(cache.spec().tokens, scores, task.seed));
    task.plan = &plan;
    task.scores = scores;
  } else if (pipeline.score_needs().any()) {
    task.scores =
        std::span(scores).subspan(static_cast<std::size_t>(layer), static_cast<std::size_t>(count));
  }
  std::vector<std::byte> frame(pipeline.frame_bytes_max(cache.spec().tokens, count));
  kernels::Scratch own;
  const auto done = SLUICE_TRY(pipeline.encode(task, frame, kept != nullptr ? *kept : own));
  if (report != nullptr) *report = done;
  frame.resize(done.frame_bytes);
  return frame;
}

inline Result<std::vector<std::byte>> encode_layers(const kernels::Pipeline& pipeline,
                                                    const KvFixture& cache, std::int64_t layer,
                                                    kernels::EncodeReport* report = nullptr,
                                                    kernels::Scratch* kept = nullptr) {
  return encode_pages(pipeline, cache, cache.pages(), MemoryKind::kHost, layer, report, kept);
}

inline KvFixture empty_cache(const KvFixtureSpec& of) {
  KvFixtureSpec spec = of;
  spec.is_zero = true;
  return KvFixture(spec);
}

// Decodes a frame into `cache` from row 0 on.
inline Result<kernels::FrameInfo> decode_layers(
    const kernels::FrameDecoder& decoder, Bytes frame, KvFixture& cache,
    std::vector<std::vector<std::int32_t>>* kept = nullptr) {
  const auto info = SLUICE_TRY(kernels::read_frame_info(frame));
  const auto all = cache.pages();
  if (info.layer_first + info.layer_count > cache.shape().layers) {
    return make_error(ErrorCode::kInvalidArgument, "the test's cache has fewer layers");
  }
  kernels::FrameDecoder::Target target;
  target.pages = std::span(all).subspan(static_cast<std::size_t>(info.layer_first),
                                        static_cast<std::size_t>(info.layer_count));
  kernels::Scratch scratch;
  return decoder.decode(frame, target, scratch, kept);
}

}  // namespace sluice::tests
