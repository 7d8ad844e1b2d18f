// SPDX-License-Identifier: Apache-2.0
// Judges the way between two hosts: what it is, what it gives, and whether it is slower than what
// these hosts have. Pure functions from facts to findings.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "launch/finding.hpp"
#include "launch/pair_facts.hpp"

namespace sluice::launch {

enum class PathKind : std::uint8_t { kNone, kTcp, kSharedMemory, kRdma };

// The fastest kind among an endpoint's lanes; UCX keeps slower ones beside it for other uses.
PathKind path_kind(std::span<const std::string> lanes);

// "shared memory", "RDMA", "TCP", "none"
const char* path_kind_name(PathKind kind);

// One group of findings for each direction. kSlow: a slower path than these hosts have.
std::vector<Finding> check_pair(const PairFacts& pair);

// 0; 1 when a finding is kBroken; 3 when one is kSlow.
int pair_exit_status(std::span<const Finding> findings);

// The last line: whether these two can serve, and how.
std::string pair_summary(const PairFacts& pair, std::span<const Finding> findings);

}  // namespace sluice::launch
