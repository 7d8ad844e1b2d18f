// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_plan.hpp"

#include <algorithm>

#include "kernels/core/check.hpp"

namespace sluice::runtime {
namespace {

// Cache lines, and what vector loads like.
constexpr std::size_t kAlignmentBytes = 64;

std::vector<std::int64_t> part_ends(std::int64_t tokens, std::int64_t chunk_tokens) {
  std::vector<std::int64_t> ends;
  std::int64_t chunk_end = 0;
  for (std::int64_t first = 0; first < tokens; first = ends.back()) {
    if (first == chunk_end) chunk_end = std::min(first + chunk_tokens, tokens);
    ends.push_back(std::min(first + kPartTokensMax, chunk_end));
  }
  return ends;
}

}  // namespace

CacheRange PlannedFrame::range() const {
  return {.layer_first = static_cast<std::int32_t>(layer_first),
          .layer_count = static_cast<std::int32_t>(layer_count),
          .head_first = static_cast<std::int32_t>(head_first),
          .head_count = static_cast<std::int32_t>(head_count)};
}

CacheRange whole_cache(const kernels::CacheShape& shape) {
  return {.layer_first = 0,
          .layer_count = static_cast<std::int32_t>(shape.layers),
          .head_first = 0,
          .head_count = static_cast<std::int32_t>(shape.kv_heads)};
}

std::size_t frame_room(const kernels::Pipeline& pipeline, std::int64_t tokens, std::int64_t layers,
                       std::int64_t heads) {
  const std::size_t most = pipeline.frame_bytes_max(tokens, layers, heads);
  return (most + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
}

bool keeps_prefixes(const kernels::Pipeline& pipeline) {
  return pipeline.is_streaming() && !pipeline.score_needs().any();
}

FramePlan plan_frames(const kernels::Pipeline& pipeline, std::int64_t tokens,
                      std::int64_t chunk_tokens, std::int64_t first_token) {
  return plan_frames(pipeline, tokens, chunk_tokens, whole_cache(pipeline.shape()), first_token);
}

FramePlan plan_frames(const kernels::Pipeline& pipeline, std::int64_t tokens,
                      std::int64_t chunk_tokens, const CacheRange& range,
                      std::int64_t first_token) {
  SLUICE_CHECK(first_token >= 0 && first_token < std::max<std::int64_t>(tokens, 1) &&
                   (first_token == 0 || pipeline.is_streaming()),
               "frames begin within the prompt, and late only where a pipeline streams");
  const std::int64_t layers = range.layer_count;
  const std::int64_t group = pipeline.layers_per_frame();
  auto ends =
      pipeline.is_streaming() ? part_ends(tokens, chunk_tokens) : std::vector<std::int64_t>{tokens};
  std::erase_if(ends, [first_token](std::int64_t end) { return end <= first_token; });
  FramePlan plan;
  plan.range = range;
  plan.groups = (layers + group - 1) / group;
  plan.parts = static_cast<std::int64_t>(ends.size());
  std::int64_t first = first_token;
  for (const std::int64_t last : ends) {
    for (std::int64_t layer = 0; layer < layers; layer += group) {
      const std::int64_t count = std::min(group, layers - layer);
      const std::size_t room = frame_room(pipeline, last - first, count, range.head_count);
      plan.frames.push_back({.layer_first = range.layer_first + layer,
                             .layer_count = count,
                             .first_token = first,
                             .last_token = last,
                             .offset = plan.bytes,
                             .bytes_max = room,
                             .head_first = range.head_first,
                             .head_count = range.head_count});
      plan.bytes += room;
    }
    first = last;
  }
  return plan;
}

}  // namespace sluice::runtime
