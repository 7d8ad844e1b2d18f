// SPDX-License-Identifier: Apache-2.0
// What the frames of a request have brought so far: which layers and heads of which tokens, and how
// many rows each head kept of them.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "kernels/pipeline/frame.hpp"
#include "runtime/frames/frame_plan.hpp"

namespace sluice::runtime {

class KeptRows {
 public:
  // Of a whole cache, or of what a rank holds of it.
  KeptRows(std::int64_t layers, std::int64_t kv_heads, std::int64_t tokens);
  KeptRows(const CacheRange& range, std::int64_t tokens);

  // The first `tokens` tokens are here without a frame, with all of their rows. Before all else.
  void have(std::int64_t tokens);

  // A frame that has come. Several may bring different heads of the same layers and tokens.
  // kCorrupt: it lies outside the cache or over an earlier one.
  Status claim(const PlannedFrame& place);

  // It was decoded. kCorrupt: it is of a part of the prompt and leaves rows out of it, so that
  // nobody would know where the rows of later parts belong.
  Status keep(const kernels::FrameInfo& frame);

  bool is_complete() const;  // every token of every layer is here

  // As KvSequence::dropped; empty when nothing was. Only when complete.
  std::vector<std::int64_t> dropped() const;
  double kept_share() const;

 private:
  std::size_t at(std::int64_t layer, std::int64_t head) const;

  CacheRange range_;
  std::int64_t tokens_;
  std::int64_t cells_left_;  // layers x heads x tokens not yet kept
  // [layer][kv_head] of what is held: first -> last token.
  std::vector<std::map<std::int64_t, std::int64_t>> claimed_;
  std::vector<std::int64_t> kept_;  // [layer][kv_head]
};

}  // namespace sluice::runtime
