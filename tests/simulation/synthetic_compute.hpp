// SPDX-License-Identifier: Apache-2.0
// The computations of simulated workers: they take virtual time, in the turns of whoever drives
// them, and check what they are given.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "comm/sim/random.hpp"
#include "comm/sim/sim.hpp"
#include "runtime/decode/decode_compute.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/prefill/prefill_compute.hpp"

namespace sluice::tests {

// What all nodes of a simulated cluster share.
struct ComputeOptions {
  std::int64_t load_us = 2'000;    // until a worker is ready
  std::int64_t frame_us = 200;     // of a prefill frame
  std::int64_t token_us = 300;     // of a decoded token, of every sequence at once
  double prefill_fail_chance = 0;  // a computation ends with an error that is nobody's fault
  double decode_fail_chance = 0;
};

class Ledger {
 public:
  Ledger(std::shared_ptr<comm::sim::World> world_, const ComputeOptions& options_,
         std::uint64_t seed)
      : world(std::move(world_)), options(options_), random(seed) {}

  struct Attempt {
    std::vector<runtime::TokenId> prompt;
    std::string pipeline;
  };

  std::shared_ptr<comm::sim::World> world;
  const ComputeOptions options;
  comm::sim::SeededRandom random;
  std::map<runtime::RequestId, Attempt> attempts;  // as prefill workers were given them
  std::int64_t computed_failures = 0;              // drawn by the chances above
  std::vector<std::string> findings;               // what must never happen

  void find(std::string what) { findings.push_back(std::move(what)); }
  // Somebody has to be turned then.
  void wake_at(std::int64_t when_us) {
    world->at(when_us, [] {});
  }
};

class SyntheticPrefill final : public runtime::PrefillCompute {
 public:
  SyntheticPrefill(std::shared_ptr<Ledger> ledger, std::function<void(runtime::PrefillEvent)> emit);

  void submit(runtime::PrefillJob job) override { jobs_.push_back(std::move(job)); }
  void cancel(runtime::RequestId request) override { cancelled_.insert(request); }
  // Does what is due now.
  void run();

 private:
  struct Current {
    runtime::PrefillJob job;
    std::vector<std::byte> memory;
    std::vector<runtime::MadeFrame> frames;  // made beforehand, unless the job is steered
    // Of a steered job: its pages, from which each frame is made when its level is chosen.
    std::unique_ptr<runtime::KvPool> pool;
    std::vector<runtime::KvBlockId> blocks;
    std::size_t next = 0;
    std::int64_t due_us = 0;
    bool fails = false;  // before its last frame
  };
  void begin(runtime::PrefillJob job);
  bool step();
  void emit_frame();
  runtime::MadeFrame steered_frame();
  void finish();

  std::shared_ptr<Ledger> ledger_;
  std::function<void(runtime::PrefillEvent)> emit_;
  std::int64_t ready_us_ = 0;
  bool is_loaded_ = false;
  std::deque<runtime::PrefillJob> jobs_;
  std::set<runtime::RequestId> cancelled_;
  std::unique_ptr<Current> current_;
};

class SyntheticDecode final : public runtime::DecodeCompute {
 public:
  SyntheticDecode(std::shared_ptr<Ledger> ledger, runtime::KvPool& pool,
                  std::function<void(runtime::DecodeEvent)> emit);

  void submit(runtime::DecodeJob job) override;
  void cancel(runtime::RequestId request) override { cancelled_.insert(request); }
  void run();

 private:
  struct Active {
    runtime::DecodeJob job;
    std::int64_t produced = 1;  // 0: its prompt is to be computed here
    std::int64_t due_us = 0;
    std::int64_t fails_at = -1;  // this many tokens; -1: does not
  };
  // Whether the sequence has ended.
  bool step(Active& active);
  void prefill(Active& active);
  void end(Active& active, runtime::DecodeEvent event);
  void check(const Active& active, const char* when);

  std::shared_ptr<Ledger> ledger_;
  runtime::KvPool& pool_;
  std::function<void(runtime::DecodeEvent)> emit_;
  std::int64_t ready_us_ = 0;
  bool is_loaded_ = false;
  std::deque<std::unique_ptr<Active>> active_;
  std::set<runtime::RequestId> cancelled_;
};

}  // namespace sluice::tests
