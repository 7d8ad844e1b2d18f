// SPDX-License-Identifier: Apache-2.0
// The less loaded of two workers drawn at random, for each role.
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// Two choices bring the longest queue from about log n down to log log n (Mitzenmacher, The Power
// of Two Choices in Randomized Load Balancing, 2001), and where several routers see old loads they
// do not all run to the same worker. Loads compare as those of least_loaded. The draw depends on
// the seed and on how often it was asked before; a decision that fails draws nothing.
std::unique_ptr<Policy> create_power_of_two(const PolicyOptions& options);

}  // namespace sluice::scheduler
