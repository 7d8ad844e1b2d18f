// SPDX-License-Identifier: Apache-2.0
// A prompt through the engine and out as frames: what a prefill worker does with a request, and
// what the same job does in one process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "kernels/stages/select/score_collector.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/telemetry/timeline.hpp"

namespace sluice::runtime {

struct FramedPrompt {
  std::span<const TokenId> tokens;
  std::int64_t question_tokens = 0;  // at the prompt's end: what is asked; 0: not known
  std::uint64_t seed = 0;
  std::int64_t chunk_tokens = 0;
  std::shared_ptr<const kernels::Pipeline> pipeline;
  FramePlan plan;              // of plan_frames() for these tokens
  MutableBytes memory;         // plan.bytes
  PipelineChoice choose = {};  // as EncodeRequest's
};

// What it cost, in microseconds on this process's monotonic clock.
struct FramedCosts {
  std::int64_t prefill_us = 0;  // engine at work, scoring within
  std::int64_t score_us = 0;    // of it: watching attention for the pipeline's selection
  std::int64_t exposed_us = 0;  // the engine had ended, frames were still being made
  std::int64_t prefill_end_us = 0;
  EncodeTotals encoding;
};

class FramedPrefill {
 public:
  // All are borrowed. `sequence` is looked at in compute() only.
  FramedPrefill(PrefillEngine& engine, KvPool& kv_pool, KvSequence& sequence, CodecPool& codec_pool,
                FramedPrompt prompt);
  ~FramedPrefill();

  // Of the prompt's first tokens, those that need not be computed where their KV is known: all up
  // to the first query that the pipeline's scores need, and never the last two tokens. 0 where
  // scores are of the whole prompt.
  std::int64_t reusable_tokens() const;

  // `sequence` has blocks for the prompt by now. Its first `tokens` have their KV already, no more
  // than reusable_tokens(): their frames are made at once, and computing begins behind them. The
  // frames are those of a whole computation, bit for bit, when both chunks and what is reused are
  // multiples of 32 tokens.
  //
  // Ends early with kCancelled when `is_cancelled` says so before a chunk. `logits`: vocab floats
  // for the last token. `on_frame`: as FrameEncoder.
  Status compute(std::span<float> logits, const std::function<bool()>& is_cancelled,
                 std::function<void(const MadeFrame&)> on_frame);
  // After compute(): waits for the last frame. `is_cancelled`: as FrameEncoder.
  Status finish(const std::function<bool()>& is_cancelled = {});
  // After finish().
  const FramedCosts& costs() const { return costs_; }
  void report(RequestTimeline& timeline) const;  // fills in what is known here

 private:
  void announce_cached(std::span<const std::int64_t> part_ends);
  std::int64_t next_end(std::int64_t first) const;
  Status run_chunks(const PrefillHooks& hooks, std::span<float> logits,
                    const std::function<bool()>& is_cancelled);

  PrefillEngine& engine_;
  KvPool& kv_pool_;
  KvSequence& sequence_;
  CodecPool& codec_pool_;
  FramedPrompt prompt_;
  std::unique_ptr<kernels::ScoreCollector> collector_;
  std::unique_ptr<FrameEncoder> encoder_;  // after what its frames read
  Status scored_;                          // the first error of scoring
  std::int64_t cached_ = 0;
  FramedCosts costs_;
};

}  // namespace sluice::runtime
