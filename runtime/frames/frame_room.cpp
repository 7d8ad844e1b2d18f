// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_room.hpp"

#include <algorithm>

namespace sluice::runtime {
namespace {

std::size_t room_for(const PlannedFrame& frame, const kernels::Pipeline& pipeline) {
  return frame_room(pipeline, frame.last_token - frame.first_token, frame.layer_count,
                    frame.head_count);
}

}  // namespace

bool has_room_for(const FramePlan& plan, const kernels::Pipeline& pipeline) {
  return std::all_of(plan.frames.begin(), plan.frames.end(), [&](const PlannedFrame& frame) {
    return room_for(frame, pipeline) <= frame.bytes_max;
  });
}

FramePlan with_room_for(FramePlan plan, const kernels::Pipeline& pipeline) {
  plan.bytes = 0;
  for (PlannedFrame& frame : plan.frames) {
    frame.bytes_max = std::max(frame.bytes_max, room_for(frame, pipeline));
    frame.offset = plan.bytes;
    plan.bytes += frame.bytes_max;
  }
  return plan;
}

}  // namespace sluice::runtime
