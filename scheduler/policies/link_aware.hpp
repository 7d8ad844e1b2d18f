// SPDX-License-Identifier: Apache-2.0
// Where the answer begins in time at the least loss: workers, links and levels weighed together.
// The default policy.
#pragma once

#include <memory>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// Of the pairs and levels that are predicted to begin their answer within `slo_share` of what is
// left of the objective, the one of the least loss (kl), and of those the soonest; when there is
// none, the soonest that is no coarser than the request's kl_max. An objective that no link could
// meet, because prefill alone takes longer, counts as just beyond that time: quality is not given
// away for nothing.
//
// Short prompts (local_tokens_max) may be prefilled where they are decoded: without loss, so
// whenever that is in time and no handoff without loss is sooner. A request that names its pipeline
// is never kept local.
//
// Looks at each worker once and keeps the best few of each role, by what does not depend on a link;
// then at the pairs of these. Memory: the prompt and all output tokens fit into what is free on the
// decode worker; kWait when nobody has that much. It never rejects: admission does, before it.
//
// Remembers the level that each pair had last: a finer one is taken only with time to spare, so
// that a link at the edge of two levels does not make requests alternate. With that memory empty, a
// faster link never makes a decision that is in time coarser.
std::unique_ptr<Policy> create_link_aware(const PolicyOptions& options);

}  // namespace sluice::scheduler
