// SPDX-License-Identifier: Apache-2.0
// What a pipeline is made of, for encoding and for calibration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/frame_format.hpp"
#include "kernels/pipeline/kv_tile.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "kernels/pipeline/plane_codec.hpp"
#include "kernels/pipeline/segment.hpp"
#include "kernels/pipeline/selection.hpp"
#include "kernels/pipeline/stage_list.hpp"

namespace sluice::kernels {

struct PipelineParts {
  // Does not ask whether the profile holds what the stages need: see check_profile().
  static Result<std::unique_ptr<PipelineParts>> make(const PipelineSpec& spec,
                                                     const CacheShape& shape,
                                                     std::shared_ptr<const Profile> profile);
  void set_profile(std::shared_ptr<const Profile> given);
  Status check_profile() const;
  Status check(const EncodeTask& task) const;

  // Heads that a task's pages hold, and those of them that its frame carries. For a checked task.
  HeadRange held_heads(const EncodeTask& task) const;
  HeadRange sent_heads(const EncodeTask& task) const;
  Status check_head_parts(bool holds_all) const;

  // The cache as one who holds only so many of its heads sees it.
  CacheShape shape_of(std::int64_t heads) const;
  // `of`: shape, or shape_of() what is at hand; it outlives the selection.
  Selection selection(const CacheShape& of) const { return {stages.selects, &of, profile.get()}; }
  FrameHeader header(const EncodeTask& task, const TokenLevels& levels) const;
  Plane plane(const EncodeTask& task, const Segment& segment, KvHalf half) const;
  KvTile tile(const EncodeTask& task, const Segment& segment, KvHalf half) const;
  // The planes that a segment is coded as, in order.
  std::span<const KvHalf> planes_of(const Segment& segment) const {
    return is_exact(segment) ? std::span<const KvHalf>(kKvHalves) : stages.coded_halves();
  }
  // Sent as BF16 rows.
  bool is_exact(const Segment& segment) const {
    return segment.level == kLevelExact || !stages.is_lossy();
  }
  // Of K and V as BF16 rows.
  std::size_t raw_bytes(std::span<const Segment> segments, std::int64_t layers) const;

  std::string name;
  CacheShape shape;
  CacheShape coded_shape;  // as stages behind selection see it: without angles if none transforms
  std::shared_ptr<const Profile> profile;
  const Profile* coded_profile = nullptr;  // null if no decoder needs it
  std::uint64_t profile_hash = 0;          // of coded_profile
  StageList stages;
  std::int64_t layers_per_frame = 1;
};

}  // namespace sluice::kernels
