// SPDX-License-Identifier: Apache-2.0
// Join the shortest queue in both pools at once (Splitwise, Patel et al., ISCA 2024: its
// cluster-level scheduler).
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// A queue is as long as its pending tokens: of prompts in the prefill pool, of answers in the
// decode pool. Its third pool, of machines that do both when the others are overfull, is not part
// of this: roles change by RoleBalance. Stateless.
std::unique_ptr<Policy> create_splitwise(const PolicyOptions& options);

}  // namespace sluice::scheduler
