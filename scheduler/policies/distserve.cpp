// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/distserve.hpp"

#include <algorithm>
#include <unordered_map>

#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

constexpr std::int64_t kParts = 20;  // of its memory: one must be free

class DistServe : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    if (const auto roles = check_roles(snapshot); !roles) return roles.error();
    for (const WorkerState& worker : snapshot.decode) observe(worker);
    bool holds_back = false;
    const auto accepts = [&](const WorkerState& worker) {
      if (!may_decode(worker, request)) return false;
      if (worker.free_tokens < 0) return true;
      const bool is_above = worker.free_tokens > most_free_.at(worker.node) / kParts;
      holds_back = holds_back || !is_above;
      return is_above;
    };
    Decision decision = place_on(*least(snapshot.prefill, may_prefill, load_by_requests),
                                 least(snapshot.decode, accepts, load_by_requests), request,
                                 "fewest requests", alternatives);
    if (decision.verdict == Verdict::kWait && holds_back) {
      decision.reason = "the decode workers hold back";
    }
    return decision;
  }

 private:
  void observe(const WorkerState& worker) {
    if (!worker.alive) {
      most_free_.erase(worker.node);
    } else if (worker.free_tokens >= 0) {
      std::int64_t& most = most_free_[worker.node];
      most = std::max(most, worker.free_tokens);
    }
  }

  std::unordered_map<std::uint32_t, std::int64_t> most_free_;  // by decode worker
};

}  // namespace

std::unique_ptr<Policy> create_distserve(const PolicyOptions&) {
  return std::make_unique<DistServe>();
}

}  // namespace sluice::scheduler
