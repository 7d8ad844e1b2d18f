// SPDX-License-Identifier: Apache-2.0
// Whether a worker should change its role, because one side starves while the other idles.
#pragma once

#include <cstdint>
#include <optional>

#include "scheduler/snapshot.hpp"

namespace sluice::scheduler {

struct RoleSwitch {
  std::uint32_t node = 0;
  bool to_prefill = false;
};

struct RoleBalanceOptions {
  // One side's seconds of waiting work per worker must exceed the other's so many times ...
  double imbalance = 4.0;
  // ... and be at least this, ...
  double backlog_s = 2.0;
  // ... for so long, before one worker switches; and none switches for so long after one did.
  double hold_s = 10.0;
  double rest_s = 60.0;
};

// Remembers since when one side starves. The last worker of a role never switches; of the others
// the one with the least work does, ties by the lowest node. A role without a live worker starves.
// A decode worker serves all that it holds at once, so that its work waits only as far as its
// memory is full.
class RoleBalance {
 public:
  explicit RoleBalance(RoleBalanceOptions options = {}) : options_(options) {}
  // `now_s` on the caller's clock, never backwards.
  std::optional<RoleSwitch> decide(const Snapshot& snapshot, double now_s);

 private:
  RoleBalanceOptions options_;
  bool prefill_starves_ = false;
  bool decode_starves_ = false;
  double since_s_ = 0.0;
  std::optional<double> switched_s_;
};

}  // namespace sluice::scheduler
