// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/kv_aware.hpp"

#include <algorithm>

#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

class KvAware : public Policy {
 public:
  explicit KvAware(double load_weight) : load_weight_(load_weight) {}

  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    const auto cost = [&](const WorkerState& worker) {
      const std::int64_t missing =
          std::max<std::int64_t>(0, request.prompt_tokens - worker.cached_tokens);
      const double tokens =
          static_cast<double>(missing) + load_weight_ * static_cast<double>(worker.queued_tokens);
      return std::tuple(tokens, worker.requests, worker.node);
    };
    return place_by_loads(snapshot, request, cost, cost, "least work, cached prefixes counted",
                          alternatives);
  }

 private:
  double load_weight_;
};

}  // namespace

std::unique_ptr<Policy> create_kv_aware(const PolicyOptions& options) {
  return std::make_unique<KvAware>(options.load_weight);
}

}  // namespace sluice::scheduler
