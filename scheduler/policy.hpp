// SPDX-License-Identifier: Apache-2.0
// Placement policies: pure functions from a snapshot to a decision; no clock, thread or socket.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "scheduler/decision.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::scheduler {

// What the cluster file sets for all of them; each policy reads what it needs.
struct PolicyOptions {
  // A prompt, less what is cached, of at most so many tokens may be prefilled where it is decoded.
  std::int64_t local_tokens_max = 0;
  // Of the objective: predictions are wrong by some per cent, and what is just in time is late.
  double slo_share = 0.9;
  // Weight of queued work by the work that a cached prefix saves (kv_aware).
  double load_weight = 1.0;
  std::uint64_t seed = 1;  // of what is drawn (power_of_two)
};

class Policy {
 public:
  virtual ~Policy() = default;
  // kUnavailable when no worker of a needed role can be given work. Ties go to the lowest node.
  // `alternatives` (may be null) gets what was looked at, the chosen one among them; it is not
  // cleared. A policy may remember its past decisions (a counter, what it drew, the level a link
  // had): the same calls in the same order give the same decisions.
  virtual Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                                  std::vector<Alternative>* alternatives) = 0;
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request) {
    return decide(snapshot, request, nullptr);
  }
};

struct PolicyRow {
  std::string_view name;
  std::unique_ptr<Policy> (*create)(const PolicyOptions& options);
};

std::span<const PolicyRow> policy_table();

// kNotFound names the policies there are.
Result<std::unique_ptr<Policy>> create_policy(std::string_view name,
                                              const PolicyOptions& options = {});

}  // namespace sluice::scheduler
