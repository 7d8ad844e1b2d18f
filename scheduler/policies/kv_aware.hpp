// SPDX-License-Identifier: Apache-2.0
// Prefix overlap against load, as NVIDIA Dynamo's router describes its cost.
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// A worker costs the prompt's tokens that it would have to compute (prefill) or be sent (decode),
// which are those without what it has cached, and `load_weight` times the tokens it has before it
// already; the least cost is chosen for each role. Tokens are counted where Dynamo counts blocks,
// and nothing is drawn (its temperature 0). Stateless.
std::unique_ptr<Policy> create_kv_aware(const PolicyOptions& options);

}  // namespace sluice::scheduler
