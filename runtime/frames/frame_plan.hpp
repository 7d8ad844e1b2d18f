// SPDX-License-Identifier: Apache-2.0
// Which frames a prompt's cache becomes, and where each may lie: known before a token is computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/pipeline/pipeline.hpp"
#include "runtime/kv/cache_range.hpp"

namespace sluice::runtime {

struct PlannedFrame {
  std::int64_t layer_first = 0;
  std::int64_t layer_count = 0;
  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  std::size_t offset = 0;       // in the memory of the request, on a boundary of 64 bytes
  std::size_t bytes_max = 0;    // room up to the next frame
  std::int64_t head_first = 0;  // KV heads, as the layers: of the model
  std::int64_t head_count = 0;  // 0: all that the sequence's pages hold

  CacheRange range() const;
};

// A pipeline that streams gets a frame for each part of the prompt and each group of layers; others
// one for each group. In the order in which they can be made: parts in order, groups in each.
struct FramePlan {
  CacheRange range;  // of all frames
  std::vector<PlannedFrame> frames;
  std::int64_t groups = 0;  // of layers
  std::int64_t parts = 0;   // of the prompt
  std::size_t bytes = 0;    // of all: what staging memory and slot must hold
};

// Parts end where chunks of `chunk_tokens` from the prompt's start do, and no part is longer than
// kPartTokensMax: the engine computes no more at a time, and a part shall leave as soon as it is
// there.
//
// `first_token`: the target has what comes before it (any token but the end; not 0 only for a
// pipeline that streams): the plan is the whole prompt's without that. A boundary of parts may lie
// anywhere.
inline constexpr std::int64_t kPartTokensMax = 512;
FramePlan plan_frames(const kernels::Pipeline& pipeline, std::int64_t tokens,
                      std::int64_t chunk_tokens, std::int64_t first_token = 0);
// Of a part of the model's cache: what one rank sends to one of another degree. Where the range has
// not all heads, the pipeline's check_head_parts() says whether it can be sent.
FramePlan plan_frames(const kernels::Pipeline& pipeline, std::int64_t tokens,
                      std::int64_t chunk_tokens, const CacheRange& range,
                      std::int64_t first_token = 0);

// Whether what its frames bring of a prompt's beginning is right for every prompt that begins so:
// neither the question nor later parts have a say in it, and every token is there.
bool keeps_prefixes(const kernels::Pipeline& pipeline);

// What a plan leaves for one frame: its largest size, up to the next boundary.
std::size_t frame_room(const kernels::Pipeline& pipeline, std::int64_t tokens, std::int64_t layers,
                       std::int64_t heads);

CacheRange whole_cache(const kernels::CacheShape& shape);

}  // namespace sluice::runtime
