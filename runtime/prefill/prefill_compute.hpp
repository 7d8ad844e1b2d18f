// SPDX-License-Identifier: Apache-2.0
// What a prefill worker has computed for it: prompts in, frames and a first token out. PrefillLoop
// does it with a model, in a thread; tests do it without one, in the caller's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "runtime/frames/frame_plan.hpp"
#include "runtime/prefill/level_steering.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// A prompt to prefill. `staging` is where its frames go, plan.bytes long; it must outlive the job.
struct PrefillJob {
  SubmitMessage submit;
  std::shared_ptr<const kernels::Pipeline> pipeline;
  FramePlan plan;
  MutableBytes staging;
  std::shared_ptr<LevelSteering> steering;  // who makes each frame; null: `pipeline` makes all
  std::int64_t arrived_us = 0;
};

// What the computation reports for the communication thread: of one job, all frames before its end.
// Loaded and Prefixes are of none.
struct PrefillEvent {
  struct Loaded {
    double done = 0.0;
    bool ready = false;
    std::string error;
  };
  struct PieceReady {
    Piece piece;                 // its offset is within the staging memory
    std::size_t room_bytes = 0;  // from there to the next frame's place
    std::int64_t encode_us = 0;  // on one thread
    std::shared_ptr<const kernels::Pipeline> pipeline = {};  // that made it; null: not known
  };
  struct Finished {
    ManifestMessage manifest;  // epoch and wire part still empty
  };
  struct Failed {
    Error error;
  };
  // What its cache holds now, and what no more.
  struct Prefixes {
    PrefixesMessage message;
  };

  RequestId request = 0;
  std::variant<Loaded, PieceReady, Finished, Failed, Prefixes> what;
};

class PrefillCompute {
 public:
  virtual ~PrefillCompute() = default;
  // Jobs begin in this order. Each ends with one Finished or Failed.
  virtual void submit(PrefillJob job) = 0;
  // Ends the job early with Failed (kCancelled), at its next chunk or frame.
  virtual void cancel(RequestId request) = 0;
};

// `emit` may be called by any thread, until the computation is destroyed.
using PrefillComputeFactory =
    std::function<std::unique_ptr<PrefillCompute>(std::function<void(PrefillEvent)> emit)>;

}  // namespace sluice::runtime
