// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/splitwise.hpp"

#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

class Splitwise : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    return place_by_loads(snapshot, request, load_by_tokens, load_by_tokens,
                          "shortest token queues", alternatives);
  }
};

}  // namespace

std::unique_ptr<Policy> create_splitwise(const PolicyOptions&) {
  return std::make_unique<Splitwise>();
}

}  // namespace sluice::scheduler
