// SPDX-License-Identifier: Apache-2.0
// The compute thread of a prefill worker: prompts in, frames and a first token out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime/config/config.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/frames/framed_prefill.hpp"
#include "runtime/kv/prefix_cache.hpp"
#include "runtime/prefill/prefill_compute.hpp"
#include "runtime/transfer/mailbox.hpp"

namespace sluice::runtime {

struct PrefillLoopOptions {
  PrefillConfig config;
  int encode_threads = 1;
  KvShape shape;
  std::string host;  // as in Hello
  // Of the prefix cache, in tokens (SchedulerConfig); 0: there is none.
  std::int64_t prefix_block_tokens = 0;
};

// Owns the engine, the KV pool, a thread, and the pool of threads that makes frames. One prompt at
// a time: a second one would only make both late. What the pool has no other use for keeps the KV
// of earlier prompts: one that begins like them is computed from where it differs.
class PrefillLoop final : public PrefillCompute {
 public:
  // `emit` is called on the loop's threads. `model` must outlive the loop.
  PrefillLoop(const ModelFile& model, const PrefillLoopOptions& options,
              std::function<void(PrefillEvent)> emit);
  ~PrefillLoop() override;  // ends after the chunk or the frames that are being made

  void submit(PrefillJob job) override;
  // One that has not begun ends at once: its staging memory need not wait for others.
  void cancel(RequestId request) override;

 private:
  void run(const ModelFile& model);
  bool begin(RequestId request);
  Status load(const ModelFile& model);
  Status prefill(const PrefillJob& job);
  void tell_prefixes();
  bool is_cancelled(RequestId request);

  PrefillLoopOptions options_;
  std::function<void(PrefillEvent)> emit_;
  Mailbox<PrefillJob> jobs_;
  std::mutex mutex_;
  std::set<RequestId> queued_;  // guarded by the mutex: jobs that have neither begun nor ended
  Mailbox<RequestId> cancels_;
  std::vector<RequestId> cancelled_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<PrefillEngine> engine_;
  std::unique_ptr<KvPool> pool_;
  std::unique_ptr<PrefixCache> cache_;  // of the pool
  CodecPool codec_pool_;
  std::vector<float> logits_;
  std::thread thread_;
};

}  // namespace sluice::runtime
