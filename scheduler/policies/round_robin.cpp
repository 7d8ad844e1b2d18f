// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/round_robin.hpp"

#include <optional>

#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

template <class May>
const WorkerState* next_after(const std::optional<std::uint32_t>& last,
                              const std::vector<WorkerState>& workers, May may) {
  const WorkerState* lowest = nullptr;
  const WorkerState* above = nullptr;
  for (const WorkerState& worker : workers) {
    if (!may(worker)) continue;
    if (lowest == nullptr || worker.node < lowest->node) lowest = &worker;
    if (!last || worker.node <= *last) continue;
    if (above == nullptr || worker.node < above->node) above = &worker;
  }
  return above != nullptr ? above : lowest;
}

class RoundRobin : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    if (const auto roles = check_roles(snapshot); !roles) return roles.error();
    const auto has_room = [&](const WorkerState& worker) { return may_decode(worker, request); };
    const WorkerState* prefill = next_after(prefill_, snapshot.prefill, may_prefill);
    const WorkerState* decode = next_after(decode_, snapshot.decode, has_room);
    if (decode != nullptr) {
      prefill_ = prefill->node;
      decode_ = decode->node;
    }
    return place_on(*prefill, decode, request, "their turn", alternatives);
  }

 private:
  std::optional<std::uint32_t> prefill_;
  std::optional<std::uint32_t> decode_;
};

}  // namespace

std::unique_ptr<Policy> create_round_robin(const PolicyOptions&) {
  return std::make_unique<RoundRobin>();
}

}  // namespace sluice::scheduler
