// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/round_robin.hpp"

#include <optional>

namespace sluice::scheduler {
namespace {

std::optional<std::uint32_t> next_after(const std::optional<std::uint32_t>& last,
                                        const std::vector<WorkerState>& workers) {
  std::optional<std::uint32_t> lowest;
  std::optional<std::uint32_t> above;
  for (const WorkerState& worker : workers) {
    if (!worker.alive) continue;
    if (!lowest || worker.node < *lowest) lowest = worker.node;
    if (last && worker.node > *last && (!above || worker.node < *above)) above = worker.node;
  }
  return above ? above : lowest;
}

class RoundRobin : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape&,
                          std::vector<Alternative>*) override {
    const auto prefill = next_after(prefill_, snapshot.prefill);
    if (!prefill) return make_error(ErrorCode::kUnavailable, "no prefill worker is alive");
    const auto decode = next_after(decode_, snapshot.decode);
    if (!decode) return make_error(ErrorCode::kUnavailable, "no decode worker is alive");
    prefill_ = prefill;
    decode_ = decode;
    return Decision{.prefill_node = *prefill, .decode_node = *decode};
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
