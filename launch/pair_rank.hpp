// SPDX-License-Identifier: Apache-2.0
// One of the two processes of `sluice doctor --pair`, on its host.
#pragma once

#include <iosfwd>

#include "launch/pair_launch.hpp"

namespace sluice::launch {

// Under mpirun, collective with the other one. A prints the sealed report, B nothing; an error is
// one sentence on the error stream. The exit status: 0 or 1.
int run_pair_rank(const PairOptions& options, std::ostream& out);

}  // namespace sluice::launch
