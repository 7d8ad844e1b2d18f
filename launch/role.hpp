// SPDX-License-Identifier: Apache-2.0
// What a rank does from the moment when its cluster stands until its end.
#pragma once

#include <memory>
#include <optional>

#include "launch/rank.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/transfer/cluster.hpp"

namespace sluice::launch {

// Of a worker that was drained to change its role: as what it is to join again.
using NextRole = Result<std::optional<runtime::Role>>;

// `pool`: a decode worker's. `front` and `accept_joins`: a router's.
NextRole run_role(runtime::Cluster& cluster, const LoadedModel& model,
                  std::unique_ptr<runtime::KvPool> pool, const Front& front, bool accept_joins);

}  // namespace sluice::launch
