// SPDX-License-Identifier: Apache-2.0
// Which level a handoff's next frames are sent at. Asked once when a request is placed, and again
// for each group of layers while it is under way, by whoever has the link before its eyes.
#pragma once

#include <cstdint>
#include <span>

#include "scheduler/cost_model.hpp"

namespace sluice::scheduler {

// A handoff under way, as its sender sees it. Seconds from now.
struct HandoffProgress {
  double time_left_s = 0.0;      // to the objective; may be negative
  double raw_bytes_left = 0.0;   // BF16 bytes that have no frame yet
  double wire_bytes_left = 0.0;  // frames made and not yet flushed, ahead of those
  double prefill_left_s = 0.0;   // until the engine has computed the rest
  double after_s = 0.0;          // decode of the last frame and the first step
};

struct LevelSwitchOptions {
  // A finer level is taken when it would be in time even if link and codecs worked at this share of
  // their speed, a coarser one when the present level is late at their full speed: between the two
  // nothing changes, so that a rate that wavers does not make the level waver.
  double finer_share = 0.75;
  // Of the time that is left: predictions are wrong by some per cent, and just in time is late.
  double slo_share = 0.9;
};

// Index in `levels` of the level for what is left. `candidates`: indices of levels that the
// handoff may use, by descending bytes; `now`: the present one, among them. `raw_bytes_per_token`
// turns raw bytes into tokens. Pure.
std::int32_t choose_next_level(const LevelTable& levels, std::span<const std::int32_t> candidates,
                               std::int32_t now, const HandoffProgress& progress,
                               const LinkOutlook& link, double codec_slowness,
                               const LevelSwitchOptions& options = {});

}  // namespace sluice::scheduler
