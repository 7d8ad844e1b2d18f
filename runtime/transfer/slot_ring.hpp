// SPDX-License-Identifier: Apache-2.0
// The places in a granted slot: given in order around a ring, free again in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace sluice::runtime {

// Positions count on for ever; a place is at its position modulo the slot's size, in one piece, on
// a boundary of 64 bytes. What is free lies from the last place round to the first one taken.
class SlotRing {
 public:
  static constexpr std::uint64_t kAlignmentBytes = 64;  // of frames, so that they are read in place

  explicit SlotRing(std::uint64_t bytes = 0) : bytes_(bytes) {}

  std::uint64_t bytes() const { return bytes_; }
  bool is_empty() const { return places_.empty(); }

  // The longest run that there is room for now.
  std::uint64_t room_bytes() const;

  // The next places will be side by side for `run_bytes`, of which there must be room.
  void make_room(std::uint64_t run_bytes);
  // A place right behind the last one, rounded up: where in the slot it begins. `frame`: for
  // find().
  std::uint64_t place(std::uint64_t place_bytes, std::uint32_t frame);

  // Whose place begins there, if any does.
  std::optional<std::uint32_t> find(std::uint64_t offset_bytes) const;
  // The place that begins there, if any does, is free.
  void release(std::uint64_t offset_bytes);

 private:
  struct Place {
    std::uint64_t position = 0;
    std::uint32_t frame = 0;
    bool is_free = false;
  };
  // By binary search: positions rise, and an offset is one position only.
  std::size_t index_of(std::uint64_t offset_bytes) const;
  std::uint64_t first_taken() const { return places_.empty() ? next_ : places_.front().position; }

  std::uint64_t bytes_;
  std::uint64_t next_ = 0;    // the position behind the last place
  std::deque<Place> places_;  // the first one is taken
};

}  // namespace sluice::runtime
