// SPDX-License-Identifier: Apache-2.0
// First come, first served on both sides, and a decode side that holds back (DistServe, Zhong et
// al., OSDI 2024).
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// A request goes to the prefill worker with the fewest requests and to the decode worker with the
// fewest. A decode worker accepts only while more than a twentieth of its memory is free: else the
// request waits where it is, which is the prefill side's queue. Its whole memory is the most that
// it was ever seen to have free while it lived; where memory is not known, it accepts. Placement by
// simulation, the other half of their work, decides how many workers there are and is not part of
// this.
std::unique_ptr<Policy> create_distserve(const PolicyOptions& options);

}  // namespace sluice::scheduler
