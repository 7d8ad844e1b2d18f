// SPDX-License-Identifier: Apache-2.0
// One request's frames, made on a pool of threads while its prompt is still being computed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "runtime/frames/codec_pool.hpp"
#include "runtime/frames/frame_plan.hpp"
#include "runtime/kv/kv_pool.hpp"

namespace sluice::runtime {

// Which pipeline makes a frame, asked by the thread that is about to make it. `computed_share`: of
// all rows of the plan's layers, those that are in the pool by then.
using PipelineChoice = std::function<std::shared_ptr<const kernels::Pipeline>(
    const PlannedFrame& frame, double computed_share)>;

struct EncodeRequest {
  std::shared_ptr<const kernels::Pipeline> pipeline;
  FramePlan plan;
  KvPool* kv_pool = nullptr;
  std::vector<KvBlockId> blocks;  // hold the prompt's cache until finish() or the destructor
  std::int64_t tokens = 0;
  std::uint64_t seed = 0;
  // By layer of the model, each final when its layer_scored() is called; empty when the pipeline
  // wants none.
  std::span<const kernels::LayerScores> scores;
  MutableBytes memory;  // plan.bytes: where the frames go
  // Empty: always `pipeline`. What it gives is of one LevelFamily with that, and of no larger
  // frames than the plan has room for. Frames say themselves what made them.
  PipelineChoice choose = {};
};

// A frame that lies in the request's memory.
struct MadeFrame {
  PlannedFrame place;
  std::size_t bytes = 0;
  std::uint64_t checksum = 0;  // as the frame itself says
  std::int64_t encode_us = 0;
  std::shared_ptr<const kernels::Pipeline> pipeline = {};  // that made it; null: not from here
};

struct EncodeTotals {
  std::int64_t encode_us = 0;  // summed over threads
  std::int64_t last_us = 0;    // when the last frame was made, on this process's monotonic clock
  std::size_t frame_bytes = 0;
  std::int64_t elements = 0;
  std::int64_t elements_kept = 0;
};

class FrameEncoder {
 public:
  // `on_frame` is called on the pool's threads, perhaps several at once.
  FrameEncoder(CodecPool& pool, EncodeRequest request,
               std::function<void(const MadeFrame&)> on_frame);
  ~FrameEncoder();  // frames not begun are left out; waits for the others
  FrameEncoder(const FrameEncoder&) = delete;
  FrameEncoder& operator=(const FrameEncoder&) = delete;

  // Called by the thread that computes, a layer's tokens in order: K and V of [first, last) are in
  // the pool.
  void layer_ready(std::int64_t layer, std::int64_t last_token);
  // The layer's scores are final. Only for a pipeline that wants scores.
  void layer_scored(std::int64_t layer);

  // After the last of those: waits for all frames. The first error of any of them; kCancelled when
  // `is_cancelled` says so, soon after the frames that are being made by then.
  Status finish(const std::function<bool()>& is_cancelled = {});
  EncodeTotals totals() const;  // after finish()

 private:
  bool is_ready(std::int64_t group, std::int64_t last_token) const;
  std::int64_t group_of(std::int64_t layer) const;
  void submit_ready(std::int64_t group);
  void submit(const PlannedFrame& frame);
  void encode(const PlannedFrame& frame, kernels::Scratch& scratch);
  Result<MadeFrame> make(const PlannedFrame& frame, kernels::Scratch& scratch);
  std::shared_ptr<const kernels::Pipeline> choose(const PlannedFrame& frame) const;
  Status plan_layers();

  CodecPool& pool_;
  const EncodeRequest request_;
  const std::function<void(const MadeFrame&)> on_frame_;
  const bool wants_scores_;
  const bool waits_for_all_;
  // Of the computing thread.
  std::vector<std::int64_t> ready_;  // by layer: tokens
  std::vector<bool> scored_;
  std::vector<std::int64_t> next_part_;  // by group
  std::optional<kernels::LayerPlan> layer_plan_;
  std::atomic<std::int64_t> rows_ready_ = 0;  // of the plan's layers; read by whoever chooses

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable done_;
  std::int64_t left_ = 0;  // submitted and not done
  Status status_;
  EncodeTotals totals_;
};

}  // namespace sluice::runtime
