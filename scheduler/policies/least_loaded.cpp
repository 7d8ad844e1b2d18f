// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/least_loaded.hpp"

#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

class LeastLoaded : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    return place_by_loads(snapshot, request, load_by_tokens, load_by_requests, "least loaded",
                          alternatives);
  }
};

}  // namespace

std::unique_ptr<Policy> create_least_loaded(const PolicyOptions&) {
  return std::make_unique<LeastLoaded>();
}

}  // namespace sluice::scheduler
