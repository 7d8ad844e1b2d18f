// SPDX-License-Identifier: Apache-2.0
// How much longer a worker's frames take than the level table says: 1 as long, 2 twice.
#pragma once

#include <algorithm>

namespace sluice::runtime {

class CodecSlowness {
 public:
  // A frame took that long on one thread; by the table it should have taken `expected_s`.
  void add(double measured_s, double expected_s) {
    if (!(expected_s > 0.0) || !(measured_s >= 0.0)) return;
    measured_s_ = kKept * measured_s_ + measured_s;
    expected_s_ = kKept * expected_s_ + expected_s;
  }

  // Over about the last fifty frames; 1 before there was one.
  double value() const {
    return expected_s_ > 0.0 ? std::clamp(measured_s_ / expected_s_, 1.0 / kMost, kMost) : 1.0;
  }

 private:
  static constexpr double kKept = 0.98;
  static constexpr double kMost = 100.0;

  double measured_s_ = 0.0;
  double expected_s_ = 0.0;
};

}  // namespace sluice::runtime
