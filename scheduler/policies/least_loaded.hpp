// SPDX-License-Identifier: Apache-2.0
// Each role's worker with the least work waiting.
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// Prefill work is proportional to tokens, so prefill workers are compared by queued tokens, then by
// requests. A decode step serves all sequences at once and costs by sequence, so decode workers are
// compared by requests, then by queued tokens. Stateless.
std::unique_ptr<Policy> create_least_loaded(const PolicyOptions& options);

}  // namespace sluice::scheduler
