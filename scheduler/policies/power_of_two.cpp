// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/power_of_two.hpp"

#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

// The finalizer of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number
// Generators, 2014): the same numbers on every machine.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15U;  // of the same: the step between states

// Each worker draws a lot from `drawn` and its node, whatever its place in the snapshot; of the two
// lowest lots the less loaded.
template <class May, class Load>
const WorkerState* lighter_of_two(const std::vector<WorkerState>& workers, std::uint64_t drawn,
                                  May may, Load load) {
  const auto lot = [&](const WorkerState& worker) {
    return std::pair(mix(drawn + kGamma * worker.node), worker.node);
  };
  const WorkerState* first = least(workers, may, lot);
  const auto may_be_second = [&](const WorkerState& worker) {
    return may(worker) && worker.node != first->node;
  };
  const WorkerState* second = least(workers, may_be_second, lot);
  if (second == nullptr) return first;
  return load(*second) < load(*first) ? second : first;
}

class PowerOfTwo : public Policy {
 public:
  explicit PowerOfTwo(std::uint64_t seed) : state_(seed) {}

  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    if (const auto roles = check_roles(snapshot); !roles) return roles.error();
    const auto has_room = [&](const WorkerState& worker) { return may_decode(worker, request); };
    const WorkerState* prefill =
        lighter_of_two(snapshot.prefill, draw(), may_prefill, load_by_tokens);
    const WorkerState* decode = lighter_of_two(snapshot.decode, draw(), has_room, load_by_requests);
    return place_on(*prefill, decode, request, "less loaded of two drawn", alternatives);
  }

 private:
  std::uint64_t draw() { return mix(state_ += kGamma); }

  std::uint64_t state_;
};

}  // namespace

std::unique_ptr<Policy> create_power_of_two(const PolicyOptions& options) {
  return std::make_unique<PowerOfTwo>(options.seed);
}

}  // namespace sluice::scheduler
