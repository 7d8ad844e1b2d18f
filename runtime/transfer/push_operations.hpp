// SPDX-License-Identifier: Apache-2.0
// The writes and flushes of a push engine that are in flight, by the number the transport gives
// back. No memory is allocated once as many have been in flight before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "comm/transport.hpp"

namespace sluice::runtime {

class PushHandoff;
class PushLink;

struct PushOperation {
  PushLink* link = nullptr;
  PushHandoff* handoff = nullptr;  // null: a flush of the link
  std::uint64_t incarnation = 0;   // of the link
  std::size_t bytes = 0;           // of frames
  std::int64_t posted_us = 0;
};

class PushOperations {
 public:
  // Never 0, and not given again soon: what comes twice is not found.
  comm::OperationId add(const PushOperation& operation) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = slots_[index];
    slot.operation = operation;
    slot.is_taken = true;
    return (++slot.use << kIndexBits) | index;
  }

  // Ends it; nothing when the number is not of one that is in flight.
  std::optional<PushOperation> take(comm::OperationId id) {
    const auto index = static_cast<std::size_t>(id & ((std::uint64_t{1} << kIndexBits) - 1));
    if (index >= slots_.size()) return std::nullopt;
    Slot& slot = slots_[index];
    if (!slot.is_taken || slot.use != id >> kIndexBits) return std::nullopt;
    slot.is_taken = false;
    free_.push_back(static_cast<std::uint32_t>(index));
    return slot.operation;
  }

 private:
  static constexpr unsigned kIndexBits = 24;
  struct Slot {
    PushOperation operation;
    std::uint64_t use = 0;
    bool is_taken = false;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace sluice::runtime
