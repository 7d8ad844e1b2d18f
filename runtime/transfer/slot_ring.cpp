// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/slot_ring.hpp"

#include <algorithm>

#include "kernels/core/check.hpp"

namespace sluice::runtime {

std::uint64_t SlotRing::room_bytes() const {
  if (places_.empty()) return bytes_;
  const std::uint64_t free_bytes = bytes_ - (next_ - first_taken());
  const std::uint64_t to_end = bytes_ - next_ % bytes_;
  if (free_bytes <= to_end) return free_bytes;
  return std::max(to_end, free_bytes - to_end);
}

void SlotRing::make_room(std::uint64_t run_bytes) {
  SLUICE_CHECK(run_bytes <= room_bytes(), "a place is taken where there is no room");
  if (run_bytes == 0) return;
  const std::uint64_t to_end = bytes_ - next_ % bytes_;
  // An empty ring starts over, so that the whole slot is one run.
  const bool starts_over = places_.empty() ? to_end != bytes_ : run_bytes > to_end;
  if (starts_over) next_ += to_end;
}

std::uint64_t SlotRing::place(std::uint64_t place_bytes, std::uint32_t frame) {
  const std::uint64_t offset = next_ % bytes_;
  places_.push_back({next_, frame, false});
  const std::uint64_t rounded =
      (place_bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  next_ += std::min(rounded, bytes_ - offset);
  return offset;
}

std::size_t SlotRing::index_of(std::uint64_t offset_bytes) const {
  if (places_.empty() || offset_bytes >= bytes_) return places_.size();
  const std::uint64_t first = first_taken();
  const std::uint64_t first_offset = first % bytes_;
  const std::uint64_t ahead = offset_bytes >= first_offset ? offset_bytes - first_offset
                                                           : offset_bytes + bytes_ - first_offset;
  const auto found = std::lower_bound(
      places_.begin(), places_.end(), first + ahead,
      [](const Place& place, std::uint64_t position) { return place.position < position; });
  if (found == places_.end() || found->position != first + ahead || found->is_free) {
    return places_.size();
  }
  return static_cast<std::size_t>(found - places_.begin());
}

std::optional<std::uint32_t> SlotRing::find(std::uint64_t offset_bytes) const {
  const std::size_t index = index_of(offset_bytes);
  if (index == places_.size()) return std::nullopt;
  return places_[index].frame;
}

void SlotRing::release(std::uint64_t offset_bytes) {
  const std::size_t index = index_of(offset_bytes);
  if (index == places_.size()) return;
  places_[index].is_free = true;
  while (!places_.empty() && places_.front().is_free) places_.pop_front();
}

}  // namespace sluice::runtime
