// SPDX-License-Identifier: Apache-2.0
// The compute thread of a prefill worker: prompts in, frames and a first token out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "runtime/config/config.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/frames/framed_prefill.hpp"
#include "runtime/transfer/mailbox.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// A prompt to prefill. `staging` is where its frames go, plan.bytes long; it must outlive the job.
struct PrefillJob {
  SubmitMessage submit;
  std::shared_ptr<const kernels::Pipeline> pipeline;
  FramePlan plan;
  MutableBytes staging;
  std::int64_t arrived_us = 0;
};

// What the loop reports for the communication thread: of one job, all frames before its end.
struct PrefillEvent {
  struct Loaded {
    double done = 0.0;
    bool ready = false;
    std::string error;
  };
  struct PieceReady {
    Piece piece;
  };
  struct Finished {
    ManifestMessage manifest;  // epoch and wire part still empty
  };
  struct Failed {
    Error error;
  };

  RequestId request = 0;
  std::variant<Loaded, PieceReady, Finished, Failed> what;
};

struct PrefillLoopOptions {
  PrefillConfig config;
  int encode_threads = 1;
  KvShape shape;
  std::string host;  // as in Hello
};

// Owns the engine, the KV pool, a thread, and the pool of threads that makes frames. One prompt at
// a time: a second one would only make both late.
class PrefillLoop {
 public:
  // `emit` is called on the loop's threads. `model` must outlive the loop.
  PrefillLoop(const ModelFile& model, const PrefillLoopOptions& options,
              std::function<void(PrefillEvent)> emit);
  ~PrefillLoop();  // ends after the chunk that is being computed

  void submit(PrefillJob job) { jobs_.push(std::move(job)); }

  // The job ends with kCancelled before its next chunk. Any thread.
  void cancel(RequestId request);

 private:
  void run(const ModelFile& model);
  Status prefill(const PrefillJob& job);
  bool is_cancelled(RequestId request);

  PrefillLoopOptions options_;
  std::function<void(PrefillEvent)> emit_;
  Mailbox<PrefillJob> jobs_;
  Mailbox<RequestId> cancels_;
  std::vector<RequestId> cancelled_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<PrefillEngine> engine_;
  std::unique_ptr<KvPool> pool_;
  CodecPool codec_pool_;
  std::vector<float> logits_;
  std::thread thread_;
};

}  // namespace sluice::runtime
