// SPDX-License-Identifier: Apache-2.0
// Placement policies: pure functions from a snapshot to a decision; no clock, thread or socket.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "kernels/core/result.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::scheduler {

class Policy {
 public:
  virtual ~Policy() = default;
  // kUnavailable when no worker of a needed role is alive. Ties go to the lowest node.
  virtual Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request) = 0;
};

struct PolicyRow {
  std::string_view name;
  std::unique_ptr<Policy> (*create)();
};

std::span<const PolicyRow> policy_table();

// kNotFound names the policies there are.
Result<std::unique_ptr<Policy>> create_policy(std::string_view name);

}  // namespace sluice::scheduler
