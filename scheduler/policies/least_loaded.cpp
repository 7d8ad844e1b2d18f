// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/least_loaded.hpp"

#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

class LeastLoaded : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    if (const auto roles = check_roles(snapshot); !roles) return roles.error();
    const auto has_room = [&](const WorkerState& worker) { return may_decode(worker, request); };
    return place_on(*least(snapshot.prefill, may_prefill, load_by_tokens),
                    least(snapshot.decode, has_room, load_by_requests), request, "least loaded",
                    alternatives);
  }
};

}  // namespace

std::unique_ptr<Policy> create_least_loaded(const PolicyOptions&) {
  return std::make_unique<LeastLoaded>();
}

}  // namespace sluice::scheduler
