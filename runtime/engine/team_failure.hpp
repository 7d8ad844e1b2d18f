// SPDX-License-Identifier: Apache-2.0
// Brings an exception out of an OpenMP region, which it must not leave by itself.
#pragma once

#include <atomic>
#include <exception>

namespace sluice::runtime {

class TeamFailure {
 public:
  // Any thread of the team. The first exception is kept; later ones are dropped.
  template <class Body>
  void guard(Body&& body) {
    try {
      body();
    } catch (...) {
      if (!taken_.exchange(true)) failure_ = std::current_exception();
    }
  }
  bool is_set() const { return taken_.load(std::memory_order_relaxed); }

  // After the region.
  void rethrow() {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::atomic<bool> taken_ = false;
  std::exception_ptr failure_;
};

}  // namespace sluice::runtime
