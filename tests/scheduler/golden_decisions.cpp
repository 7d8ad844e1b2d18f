// SPDX-License-Identifier: Apache-2.0
#include "tests/scheduler/golden_decisions.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <random>

#include "scheduler/policy.hpp"

namespace sluice::tests {
namespace {

using namespace scheduler;

constexpr int kRequests = 80;
constexpr std::int64_t kDecodeMemory_tokens = 9'000;
constexpr std::int64_t kPrefilledPerStep_tokens = 500;
constexpr std::int64_t kDecodedPerStep_tokens = 8;

LevelTable level_table() {
  struct Row {
    const char* pipeline;
    double bytes_per_token, codec_s_per_token, kl;
    bool is_streaming;
  };
  LevelTable table;
  table.raw_bytes_per_token = 20'000;
  table.prefill_s_per_token = 1e-3;
  table.decode_s_per_output_token = 0.02;
  for (const Row& row :
       {Row{"int8", 10'000, 1e-6, 0.001, true}, Row{"cachegen", 5'000, 8e-6, 0.01, true},
        Row{"best", 3'000, 1e-5, 0.008, true}, Row{"cachegen_low", 2'500, 8e-6, 0.04, true},
        Row{"best_small", 1'000, 2e-5, 0.03, false}}) {
    Level level;
    level.pipeline = row.pipeline;
    level.bytes_per_token = row.bytes_per_token;
    level.encode_s_per_token = row.codec_s_per_token;
    level.decode_s_per_token = row.codec_s_per_token;
    level.kl = row.kl;
    level.is_streaming = row.is_streaming;
    table.levels.push_back(level);
  }
  return table;
}

class Scenario {
 public:
  explicit Scenario(std::string_view policy)
      : policy_(create_policy(policy, {.local_tokens_max = 64}).value()) {
    for (std::uint32_t node = 1; node <= 3; ++node) snapshot_.prefill.push_back({.node = node});
    for (std::uint32_t node = 4; node <= 6; ++node) {
      snapshot_.decode.push_back({.node = node, .free_tokens = kDecodeMemory_tokens});
    }
    snapshot_.levels = &levels_;
    snapshot_.assumed_bytes_per_s = 1e7;
  }

  std::string run() {
    std::string log;
    for (step_ = 0; step_ < kRequests; ++step_) {
      set_scene();
      const RequestShape request = next_request();
      log += line(request, policy_->decide(snapshot_, request));
      work();
    }
    return log;
  }

 private:
  struct Placed {
    std::size_t worker;  // of its pool
    std::int64_t tokens_left;
    std::int64_t memory_tokens;
  };

  // Who is alive, what links can carry. Every third pair has never sent anything.
  void set_scene() {
    snapshot_.prefill[1].alive = step_ < 20 || step_ >= 30;
    snapshot_.decode[2].alive = step_ < 40 || step_ >= 50;
    for (WorkerState& worker : snapshot_.prefill) {
      if (step_ >= 74) worker.alive = false;
    }
    snapshot_.links.clear();
    for (std::uint32_t prefill = 1; prefill <= 3; ++prefill) {
      for (std::uint32_t decode = 4; decode <= 6; ++decode) {
        if ((prefill + decode) % 3 == 2) continue;
        LinkState link = {.prefill_node = prefill, .decode_node = decode, .figures = {}};
        link.figures.capacity_bytes_per_s = 1e6 * (decode == 4 ? 16 : 3);
        const bool is_crowded = step_ / 10 % 2 == 1;
        link.figures.free_bytes_per_s =
            link.figures.capacity_bytes_per_s * (is_crowded ? 0.125 : 0.875);
        link.round_trip_us = 200;
        snapshot_.links.push_back(link);
      }
    }
  }

  RequestShape next_request() {
    RequestShape request;
    request.prompt_tokens = static_cast<std::int64_t>(50 + random_() % 3000);
    if (step_ % 9 == 4) request.prompt_tokens = 40;
    request.output_tokens_max = static_cast<std::int64_t>(16 * (1 + random_() % 16));
    request.ttft_slo_s = random_() % 3 == 0 ? 2.0 : 8.0;
    request.kl_max = 0.1;
    if (step_ % 11 == 5) request.pinned_level = static_cast<std::int32_t>(random_() % 5);
    request.is_pinned_elsewhere = step_ % 17 == 16;
    const auto cache = [&](WorkerState& worker, std::uint32_t one_in) {
      const bool is_cached = random_() % one_in == 0;
      worker.cached_tokens = is_cached ? (request.prompt_tokens - 1) / 64 * 64 : 0;
    };
    for (WorkerState& worker : snapshot_.prefill) cache(worker, 3);
    for (WorkerState& worker : snapshot_.decode) cache(worker, 20);
    return request;
  }

  std::string line(const RequestShape& request, const Result<Decision>& decision) {
    std::string text = std::to_string(step_) + ": " + std::to_string(request.prompt_tokens) + "+" +
                       std::to_string(request.output_tokens_max) + " in " +
                       std::to_string(static_cast<int>(request.ttft_slo_s)) + " s: ";
    if (!decision) return text + "unavailable, " + decision.error().message + "\n";
    switch (decision->verdict) {
      case Verdict::kPlace:
        place(*decision, request);
        text += std::to_string(decision->prefill_node) + " to " +
                std::to_string(decision->decode_node) + " at " + name_of(decision->level);
        break;
      case Verdict::kLocal:
        place(*decision, request);
        text += "local on " + std::to_string(decision->decode_node);
        break;
      case Verdict::kWait:
        text += "wait";
        break;
      case Verdict::kReject:
        text += "reject";
        break;
    }
    return text + ", " + std::string(decision->reason) + "\n";
  }

  std::string name_of(std::int32_t level) const {
    return level < 0 ? "the given pipeline"
                     : levels_.levels.at(static_cast<std::size_t>(level)).pipeline;
  }

  void place(const Decision& decision, const RequestShape& request) {
    if (decision.verdict == Verdict::kPlace) {
      const std::size_t at = decision.prefill_node - 1;
      const std::int64_t tokens = request.prompt_tokens - snapshot_.prefill.at(at).cached_tokens;
      snapshot_.prefill[at].requests += 1;
      snapshot_.prefill[at].queued_tokens += tokens;
      prefilling_.push_back({at, tokens, 0});
    }
    const std::size_t at = decision.decode_node - 4;
    WorkerState& decode = snapshot_.decode.at(at);
    const std::int64_t memory = request.prompt_tokens + request.output_tokens_max;
    decode.requests += 1;
    decode.queued_tokens += request.output_tokens_max;
    decode.free_tokens -= memory;
    decoding_.push_back({at, request.output_tokens_max, memory});
  }

  // One after the other on a prefill worker, all at once on a decode worker.
  void work() {
    std::vector<std::int64_t> can(3, kPrefilledPerStep_tokens);
    for (Placed& placed : prefilling_) {
      WorkerState& worker = snapshot_.prefill[placed.worker];
      const std::int64_t done = std::min(can[placed.worker], placed.tokens_left);
      can[placed.worker] -= done;
      placed.tokens_left -= done;
      worker.queued_tokens -= done;
      if (placed.tokens_left == 0) worker.requests -= 1;
    }
    for (Placed& placed : decoding_) {
      WorkerState& worker = snapshot_.decode[placed.worker];
      const std::int64_t done = std::min(kDecodedPerStep_tokens, placed.tokens_left);
      placed.tokens_left -= done;
      worker.queued_tokens -= done;
      if (placed.tokens_left > 0) continue;
      worker.requests -= 1;
      worker.free_tokens += placed.memory_tokens;
    }
    const auto is_done = [](const Placed& placed) { return placed.tokens_left == 0; };
    for (auto* all : {&prefilling_, &decoding_}) {
      all->erase(std::remove_if(all->begin(), all->end(), is_done), all->end());
    }
  }

  LevelTable levels_ = level_table();
  Snapshot snapshot_;
  std::unique_ptr<Policy> policy_;
  std::mt19937 random_{17};  // its numbers are the standard's, unlike those of distributions
  std::deque<Placed> prefilling_;
  std::deque<Placed> decoding_;
  int step_ = 0;
};

}  // namespace

std::string golden_decisions(std::string_view policy) { return Scenario(policy).run(); }

}  // namespace sluice::tests
