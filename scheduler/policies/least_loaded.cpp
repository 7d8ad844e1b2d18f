// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/least_loaded.hpp"

#include <optional>
#include <tuple>

namespace sluice::scheduler {
namespace {

auto prefill_load(const WorkerState& worker) {
  return std::tuple(worker.queued_tokens, worker.requests, worker.node);
}

auto decode_load(const WorkerState& worker) {
  return std::tuple(worker.requests, worker.queued_tokens, worker.node);
}

// The live worker of the smallest load; the node is the load's last part, so the order in the
// snapshot does not matter.
template <class Load>
std::optional<std::uint32_t> least(const std::vector<WorkerState>& workers, Load load) {
  const WorkerState* best = nullptr;
  for (const WorkerState& worker : workers) {
    if (worker.alive && (best == nullptr || load(worker) < load(*best))) best = &worker;
  }
  if (best == nullptr) return std::nullopt;
  return best->node;
}

class LeastLoaded : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape&,
                          std::vector<Alternative>*) override {
    const auto prefill = least(snapshot.prefill, prefill_load);
    if (!prefill) return make_error(ErrorCode::kUnavailable, "no prefill worker is alive");
    const auto decode = least(snapshot.decode, decode_load);
    if (!decode) return make_error(ErrorCode::kUnavailable, "no decode worker is alive");
    return Decision{.prefill_node = *prefill, .decode_node = *decode};
  }
};

}  // namespace

std::unique_ptr<Policy> create_least_loaded(const PolicyOptions&) {
  return std::make_unique<LeastLoaded>();
}

}  // namespace sluice::scheduler
