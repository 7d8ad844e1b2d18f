// SPDX-License-Identifier: Apache-2.0
// How long a worker takes for so many tokens, learnt from what it took: fixed + linear + square,
// none below 0.
//
// Least squares of relative errors, reweighted against outliers (Huber, "Robust Estimation of a
// Location Parameter", 1964), with exponential forgetting. A term is in it only where it explains
// more than it costs (Akaike's criterion, 1974): a worker that has seen one length gets a rate, not
// a parabola through noise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "scheduler/snapshot.hpp"

namespace sluice::runtime {

class SpeedFit {
 public:
  // `tokens` were computed behind `before` others, to which they attend too.
  void add(std::int64_t tokens, std::int64_t before, double seconds);

  // Of WorkerSpeed's meaning; all 0 before there was anything.
  scheduler::WorkerSpeed speed() const;

 private:
  struct Sample {
    double tokens = 0.0;
    double square = 0.0;  // (before + tokens)^2 - before^2
    double seconds = 0.0;
  };

  std::vector<Sample> samples_;  // a ring
  std::size_t next_ = 0;
};

}  // namespace sluice::runtime
