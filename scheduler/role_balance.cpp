// SPDX-License-Identifier: Apache-2.0
#include "scheduler/role_balance.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <vector>

namespace sluice::scheduler {
namespace {

// Where neither the worker nor the level table knows: of a prompt token, and of a decode step.
constexpr double kAssumedPrefill_sPerToken = 1e-3;
constexpr double kAssumedStep_s = 0.02;

double known_or(double value, double otherwise) { return value > 0.0 ? value : otherwise; }

double prefill_waiting_s(const WorkerState& worker, const LevelTable* levels) {
  const double by_table = levels == nullptr ? 0.0 : levels->prefill_s_per_token;
  return static_cast<double>(worker.queued_tokens) *
         known_or(worker.prefill_speed.s_per_token, known_or(by_table, kAssumedPrefill_sPerToken));
}

// A decode worker serves all that it holds at once: somebody waits only as far as it is full. Full
// is where what it has still to decode is more than what it has room for; where its memory is not
// known it counts as full.
double decode_waiting_s(const WorkerState& worker, const LevelTable* levels) {
  if (worker.queued_tokens <= 0) return 0.0;
  const double by_table = levels == nullptr ? 0.0 : levels->decode_s_per_output_token;
  const auto queued = static_cast<double>(worker.queued_tokens);
  const double steps = queued / static_cast<double>(std::max<std::int64_t>(1, worker.requests));
  const auto free = static_cast<double>(std::max<std::int64_t>(0, worker.free_tokens));
  const double step_s = known_or(worker.step_s, known_or(by_table, kAssumedStep_s));
  return steps * step_s * queued / (queued + free);
}

struct Side {
  std::int64_t workers = 0;
  double waiting_s = 0.0;  // per worker; without a worker there is no end to it
  const WorkerState* idlest = nullptr;
};

template <class Waiting>
Side side_of(const std::vector<WorkerState>& workers, Waiting waiting) {
  const auto work = [](const WorkerState& worker) {
    return std::tuple(worker.queued_tokens, worker.requests, worker.node);
  };
  Side side;
  for (const WorkerState& worker : workers) {
    if (!worker.alive) continue;
    ++side.workers;
    side.waiting_s += waiting(worker);
    if (side.idlest == nullptr || work(worker) < work(*side.idlest)) side.idlest = &worker;
  }
  side.waiting_s = side.workers > 0 ? side.waiting_s / static_cast<double>(side.workers)
                                    : std::numeric_limits<double>::infinity();
  return side;
}

bool starves(const Side& one, const Side& other, const RoleBalanceOptions& options) {
  return other.workers > 1 && one.waiting_s >= options.backlog_s &&
         one.waiting_s > options.imbalance * other.waiting_s;
}

}  // namespace

std::optional<RoleSwitch> RoleBalance::decide(const Snapshot& snapshot, double now_s) {
  const Side prefill = side_of(snapshot.prefill, [&](const WorkerState& worker) {
    return prefill_waiting_s(worker, snapshot.levels);
  });
  const Side decode = side_of(snapshot.decode, [&](const WorkerState& worker) {
    return decode_waiting_s(worker, snapshot.levels);
  });
  const bool prefill_starves = starves(prefill, decode, options_);
  const bool decode_starves = starves(decode, prefill, options_);
  if (prefill_starves != prefill_starves_ || decode_starves != decode_starves_) since_s_ = now_s;
  prefill_starves_ = prefill_starves;
  decode_starves_ = decode_starves;
  if (!prefill_starves && !decode_starves) return std::nullopt;
  if (now_s - since_s_ < options_.hold_s) return std::nullopt;
  if (switched_s_ && now_s - *switched_s_ < options_.rest_s) return std::nullopt;
  switched_s_ = now_s;
  since_s_ = now_s;
  const Side& giver = prefill_starves ? decode : prefill;
  return RoleSwitch{.node = giver.idlest->node, .to_prefill = prefill_starves};
}

}  // namespace sluice::scheduler
