// SPDX-License-Identifier: Apache-2.0
// A model without weights: its cache and its answers are pure functions of the prompt, so that any
// byte at a wrong place and any token of another request is seen.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/frames/frame_encoder.hpp"
#include "runtime/frames/pipeline_set.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/request/generate.hpp"

namespace sluice::tests {

inline constexpr runtime::KvShape kSyntheticShape{
    .layers = 3, .kv_heads = 2, .head_dim = 32, .dtype = DType::kBF16};
inline constexpr std::int64_t kSyntheticVocab = 1000;
inline constexpr runtime::TokenId kSyntheticEnd = 0;
inline constexpr std::int64_t kSyntheticContext = 1024;

kernels::CacheShape synthetic_cache_shape();
// Of the source tree's presets, shared by all clusters of the process.
runtime::PipelineSet& synthetic_pipelines();

// What the answer to a prompt is. The first token is number 0.
runtime::TokenId synthetic_token(std::span<const runtime::TokenId> prompt, std::int64_t index);
struct SyntheticAnswer {
  std::vector<runtime::TokenId> tokens;
  runtime::FinishReason finish = runtime::FinishReason::kNone;
};
SyntheticAnswer synthetic_answer(const runtime::GenerateRequest& request);

// The prompt's K and V from `first_token` on into its pages.
void fill_pages(std::span<const runtime::TokenId> prompt, runtime::KvPool& pool,
                std::span<const runtime::KvBlockId> blocks, std::int64_t first_token = 0);
// How many elements of K and V are not the prompt's, by more than `tolerance`.
std::int64_t count_wrong(std::span<const runtime::TokenId> prompt, const runtime::KvPool& pool,
                         std::span<const runtime::KvBlockId> blocks, float tolerance);
// What a pipeline may change an element by.
float tolerance_of(const std::string& pipeline);

// One of them, into its place in `memory`, from pages that fill_pages() has filled.
runtime::MadeFrame encode_frame(runtime::KvPool& pool, std::span<const runtime::KvBlockId> blocks,
                                std::shared_ptr<const kernels::Pipeline> pipeline,
                                const runtime::PlannedFrame& frame, MutableBytes memory);
// All frames of a prompt, in the order of the plan, in `memory` (plan.bytes).
std::vector<runtime::MadeFrame> encode_frames(std::span<const runtime::TokenId> prompt,
                                              std::shared_ptr<const kernels::Pipeline> pipeline,
                                              const runtime::FramePlan& plan, MutableBytes memory);

}  // namespace sluice::tests
