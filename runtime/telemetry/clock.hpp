// SPDX-License-Identifier: Apache-2.0
// Microseconds on this host's monotonic clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace sluice::runtime {

inline std::int64_t monotonic_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace sluice::runtime
