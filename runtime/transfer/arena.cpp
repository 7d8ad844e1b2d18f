// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/arena.hpp"

#include <algorithm>
#include <iterator>

#include "kernels/core/check.hpp"

namespace sluice::runtime {

Arena::Arena(std::size_t bytes) : bytes_(bytes) {
  if (bytes != 0) free_.emplace(0, bytes);
}

std::optional<std::size_t> Arena::acquire(std::size_t bytes) {
  const std::size_t wanted =
      (std::max<std::size_t>(bytes, 1) + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  if (wanted < bytes) return std::nullopt;  // the rounding overflowed
  for (auto run = free_.begin(); run != free_.end(); ++run) {
    const auto [offset, run_bytes] = *run;
    if (run_bytes < wanted) continue;
    free_.erase(run);
    if (run_bytes > wanted) free_.emplace(offset + wanted, run_bytes - wanted);
    taken_.emplace(offset, wanted);
    taken_bytes_ += wanted;
    return offset;
  }
  return std::nullopt;
}

std::size_t Arena::largest_free_bytes() const {
  std::size_t largest = 0;
  for (const auto& [offset, bytes] : free_) largest = std::max(largest, bytes);
  return largest / kAlignmentBytes * kAlignmentBytes;
}

void Arena::release(std::size_t offset) {
  const auto slot = taken_.find(offset);
  SLUICE_CHECK(slot != taken_.end(), "a slot is released that was not taken");
  std::size_t bytes = slot->second;
  taken_.erase(slot);
  taken_bytes_ -= bytes;

  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + bytes == next->first) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += bytes;
      return;
    }
  }
  free_.emplace(offset, bytes);
}

}  // namespace sluice::runtime
