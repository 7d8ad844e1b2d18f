// SPDX-License-Identifier: Apache-2.0
// CacheGen's own rule for the level (Liu et al., SIGCOMM 2024, section 5.3), on the least loaded
// workers: the baseline for level choices.
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// Of the table's levels whose pipeline's name begins with "cachegen", the finest whose bytes, at
// the throughput last measured on the link, take no longer than what the objective leaves after
// the prompt's prefill; when none does, the coarsest. Nothing overlaps, nothing shares the link,
// coding costs nothing: so the rule says. Without any throughput: the one in the middle, as their
// first chunk. Levels coarser than the request's kl_max are left out, except that the one of the
// least loss always stays. Their further way out, to send text and compute anew, is not among the
// levels. Without such a level, the cluster's pipeline. Stateless.
std::unique_ptr<Policy> create_cachegen(const PolicyOptions& options);

}  // namespace sluice::scheduler
