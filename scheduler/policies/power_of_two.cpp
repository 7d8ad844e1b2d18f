// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/power_of_two.hpp"

#include <utility>

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
  struct Drawn {
    const WorkerState* worker = nullptr;
    std::pair<std::uint64_t, std::uint32_t> lot{};
  };
  Drawn first;
  Drawn second;
  for (const WorkerState& worker : workers) {
    if (!may(worker)) continue;
    const Drawn next = {&worker, {mix(drawn + kGamma * worker.node), worker.node}};
    if (first.worker == nullptr || next.lot < first.lot) {
      second = std::exchange(first, next);
    } else if (second.worker == nullptr || next.lot < second.lot) {
      second = next;
    }
  }
  if (second.worker == nullptr) return first.worker;
  return load(*second.worker) < load(*first.worker) ? second.worker : first.worker;
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
