// SPDX-License-Identifier: Apache-2.0
// What each worker used, after a cluster has stopped.
#pragma once

#include <iosfwd>
#include <span>

#include "runtime/router/router.hpp"

namespace sluice::launch {

void print_worker_table(std::ostream& out, std::span<const runtime::WorkerReport> reports);

}  // namespace sluice::launch
