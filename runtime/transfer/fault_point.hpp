// SPDX-License-Identifier: Apache-2.0
// Moments of a handoff at which a process can be told to kill or stop itself, so that tests meet a
// fault exactly there. Not armed, and so one comparison, unless the program's caller asks for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

enum class FaultPoint : std::uint8_t {
  kPrefillBeforeWant,
  kPrefillBeforeGrant,  // the want is sent
  kPrefillMidLayers,    // the first write is posted
  kPrefillAfterFlush,   // of the first frames, before they are announced
  kPrefillBeforeManifest,
  kDecodeBeforeGrant,
  kDecodeAfterGrant,
  kDecodeMidLayers,  // the first frames are announced
  kDecodeBeforeTaken,
  kDecodeAfterManifest,  // it has come, and nothing is done about it
};

enum class FaultAction : std::uint8_t { kKill, kStop };

// At which passage (1: the first) of a point what happens: once in this process's life.
struct Fault {
  FaultPoint point = FaultPoint::kPrefillBeforeWant;
  FaultAction action = FaultAction::kKill;
  std::int64_t passage = 1;
};

// "prefill.mid_layers:stop:3". kInvalidArgument names what there is.
Result<Fault> parse_fault(std::string_view text);
// "prefill.mid_layers"
std::string_view fault_point_name(FaultPoint point);

// Before the threads that pass points start. The process's one fault.
void arm_fault(const Fault& fault);

namespace fault_detail {
extern std::atomic<bool> is_armed;
void pass(FaultPoint point);
}  // namespace fault_detail

inline void pass_fault_point(FaultPoint point) {
  if (fault_detail::is_armed.load(std::memory_order_relaxed)) fault_detail::pass(point);
}

}  // namespace sluice::runtime
