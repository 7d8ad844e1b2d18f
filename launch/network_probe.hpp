// SPDX-License-Identifier: Apache-2.0
// What this machine has between it and others: UCX, RDMA ports, kernel modules for GPU memory.
#pragma once

#include "launch/doctor_checks.hpp"

namespace sluice::launch {

NetworkFacts probe_network();

}  // namespace sluice::launch
