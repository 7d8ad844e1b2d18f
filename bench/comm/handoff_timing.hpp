// SPDX-License-Identifier: Apache-2.0
// Handoffs from one process to another, timed step by step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/comm/handoff_sides.hpp"

namespace sluice::bench {

struct TimingOptions {
  std::string transport = "ucx";
  Load load;
  std::size_t handoffs = 300;
  std::size_t in_flight = 1;
  bool is_spinning = false;  // never sleeps; else as the workers do
};

struct Timing {
  std::size_t bytes = 0;          // of one handoff
  std::vector<Moments> handoffs;  // in_flight 1 only
  std::vector<double> plain_us;   // the same bytes by plain writes, between the handoffs
  double all_us = 0;              // from the first open to the last end
  std::string way;                // the transport's lanes
};

// Must be called before this process has opened a transport: it forks.
Timing time_handoffs(const TimingOptions& options);

double quantile(std::vector<double> values, double share);

}  // namespace sluice::bench
