// SPDX-License-Identifier: Apache-2.0
// Each role's live workers in turn, in the order of their nodes: the baseline for comparisons.
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// Its state is the node chosen last, per role; the next is the lowest live node above it, or the
// lowest of all. A worker that dies or joins therefore disturbs nobody else's turn. A decision that
// fails, or waits for room, moves nothing.
std::unique_ptr<Policy> create_round_robin(const PolicyOptions& options);

}  // namespace sluice::scheduler
