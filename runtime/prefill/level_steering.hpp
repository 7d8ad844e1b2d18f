// SPDX-License-Identifier: Apache-2.0
// At which level the frames of one handoff leave, decided for each when it is about to be made:
// what is left to do and what the link does meanwhile, kept together and given to the scheduler.
// No clock: time comes with each call.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/frames/frame_encoder.hpp"
#include "runtime/frames/pipeline_set.hpp"
#include "scheduler/level_choice.hpp"

namespace sluice::runtime {

struct SteeringRequest {
  std::shared_ptr<const scheduler::LevelTable> levels;
  // Of one family, by descending bytes; the plan has room for each.
  LevelFamily candidates;
  std::int32_t level = -1;       // that it was placed with, one of them
  std::int64_t deadline_us = 0;  // of its first token
  scheduler::WorkerSpeed prefill_speed = {};
  double codec_slowness = 1.0;
};

// Any thread.
class LevelSteering {
 public:
  // `plan` of all frames of a prompt of so many tokens.
  LevelSteering(SteeringRequest request, const FramePlan& plan, std::int64_t tokens);

  // The link as it is now: its rate and round trip, what waits for it that is not of this handoff,
  // and how many bytes of this handoff's frames have gone through it.
  void see_link(const scheduler::LinkOutlook& link, std::uint64_t flushed_bytes);

  // Which pipeline makes the frame; each frame once, then made(). `computed_share`: as
  // PipelineChoice.
  std::shared_ptr<const kernels::Pipeline> choose(const PlannedFrame& frame, double computed_share,
                                                  std::int64_t now_us);
  void made(const MadeFrame& frame);

  // What was sent first, empty before that; and, where anything was not sent as placed, what was
  // sent: "best@8 20 layers, best 10".
  std::string first() const;
  std::string levels() const;

 private:
  struct Sent {
    std::int32_t level = -1;
    double layers = 0.0;
  };

  double share(const PlannedFrame& frame) const;  // of a whole token's rows, in tokens
  double bytes(std::int32_t level, const PlannedFrame& frame) const;
  scheduler::HandoffProgress progress(double computed_share, std::int64_t now_us) const;
  const std::string& name(std::int32_t level) const;

  const SteeringRequest request_;
  const std::int64_t tokens_;
  std::int64_t layers_ = 0;
  std::int64_t sent_tokens_ = 0;       // those that are in frames
  double last_frame_tokens_ = 0.0;     // the largest of the last part
  std::vector<std::int32_t> indices_;  // of the candidates

  mutable std::mutex mutex_;  // guards what follows
  std::int32_t level_;
  scheduler::LinkOutlook link_;
  std::uint64_t flushed_bytes_ = 0;
  std::uint64_t made_bytes_ = 0;
  double pending_bytes_ = 0.0;  // expected of frames that are being made
  double tokens_left_ = 0.0;    // that have no frame yet
  std::vector<Sent> sent_;      // in the order in which levels were first used
};

}  // namespace sluice::runtime
