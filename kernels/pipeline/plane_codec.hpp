// SPDX-License-Identifier: Apache-2.0
// One segment's K or V through the stages behind selection, and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/pipeline/kv_tile.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "kernels/pipeline/stage_list.hpp"
#include "kernels/stages/plane.hpp"

namespace sluice::kernels {

// Where a frame is written: a bound that nothing passes.
class FrameWriter {
 public:
  explicit FrameWriter(MutableBytes room) : room_(room) {}
  // Null if it does not fit; nothing is taken then.
  std::byte* reserve(std::size_t bytes) {
    if (room_.size() - used_ < bytes) return nullptr;
    used_ += bytes;
    return room_.data() + used_ - bytes;
  }
  std::size_t used() const { return used_; }

 private:
  MutableBytes room_;
  std::size_t used_ = 0;
};

// The parts of a coded plane, one after another in the payload.
struct PlaneSizes {
  std::size_t symbols = 0;
  std::size_t side = 0;
  std::size_t correction = 0;
  bool fits = false;  // false: `out` was too small
};

// `rows` are the plane's positions, in the pages. kInvalidArgument: a NaN or an infinity, named by
// layer and token; or a stage refuses the plane.
Result<PlaneSizes> encode_plane(const StageList& stages, const Plane& plane, const KvTile& rows,
                                FrameWriter& out, Scratch::Buffers& buffers);

// Shows `learner` the plane as the stages before `stage` leave it: rows, or for an entropy stage
// its symbols as numbers. The stages before it find what they need in the plane's profile.
Status observe_plane(const StageList& stages, const Plane& plane, const KvTile& rows,
                     const Stage& stage, Calibration& learner, Scratch::Buffers& buffers);

struct PlaneBytes {
  Bytes symbols;
  Bytes side;
  Bytes correction;
};
Status decode_plane(const StageList& stages, const Plane& plane, const PlaneBytes& coded,
                    const KvTile& rows, Scratch::Buffers& buffers);

}  // namespace sluice::kernels
