// SPDX-License-Identifier: Apache-2.0
// Shares independent items out among the calling thread's OpenMP threads. For source files only.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace sluice::kernels {

// body(first, last) for disjoint ranges that cover [0, items). Work of fewer than 32 Ki elements
// stays on the calling thread: waking the others costs as much.
template <class Body>
void parallel_ranges(std::int64_t items, std::int64_t elements_per_item, const Body& body) {
  constexpr std::int64_t kElementsWorthAThread = 32 * 1024;
  if (items * elements_per_item < kElementsWorthAThread || omp_in_parallel() != 0) {
    if (items > 0) body(std::int64_t{0}, items);
    return;
  }
#pragma omp parallel
  {
    const std::int64_t threads = omp_get_num_threads();
    const std::int64_t thread = omp_get_thread_num();
    const std::int64_t first = items * thread / threads;
    const std::int64_t last = items * (thread + 1) / threads;
    if (first < last) body(first, last);
  }
}

}  // namespace sluice::kernels
