// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_plan.hpp"

#include <algorithm>

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

FramePlan plan_frames(const kernels::Pipeline& pipeline, std::int64_t tokens,
                      std::int64_t chunk_tokens) {
  const std::int64_t layers = pipeline.shape().layers;
  const std::int64_t group = pipeline.layers_per_frame();
  const auto ends =
      pipeline.is_streaming() ? part_ends(tokens, chunk_tokens) : std::vector<std::int64_t>{tokens};
  FramePlan plan;
  plan.groups = (layers + group - 1) / group;
  plan.parts = static_cast<std::int64_t>(ends.size());
  std::int64_t first = 0;
  for (const std::int64_t last : ends) {
    for (std::int64_t layer = 0; layer < layers; layer += group) {
      const std::int64_t count = std::min(group, layers - layer);
      const std::size_t most = pipeline.frame_bytes_max(last - first, count);
      const std::size_t room = (most + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
      plan.frames.push_back({layer, count, first, last, plan.bytes, room});
      plan.bytes += room;
    }
    first = last;
  }
  return plan;
}

}  // namespace sluice::runtime
