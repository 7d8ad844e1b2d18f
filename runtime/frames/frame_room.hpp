// SPDX-License-Identifier: Apache-2.0
// Room in a plan for frames of more than one pipeline: which one makes a frame is decided when it
// is made, where it lies before that.
#pragma once

#include "runtime/frames/frame_plan.hpp"

namespace sluice::runtime {

// Whether every frame of the plan has room for what `pipeline` makes of the same rows.
bool has_room_for(const FramePlan& plan, const kernels::Pipeline& pipeline);

// The same frames, each with room for both.
FramePlan with_room_for(FramePlan plan, const kernels::Pipeline& pipeline);

}  // namespace sluice::runtime
