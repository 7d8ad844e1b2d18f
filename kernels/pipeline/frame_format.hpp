// SPDX-License-Identifier: Apache-2.0
// The bytes of a frame around its payload: docs/wire_format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/pipeline/level_set.hpp"
#include "kernels/pipeline/stage_list.hpp"
#include "kernels/stages/plane.hpp"

namespace sluice::kernels {

inline constexpr std::size_t kPipelineNameMax = 64;
inline constexpr std::size_t kChecksumBytes = 8;

// What the fixed part says. The two lengths are filled in last.
struct FrameHeader {
  std::uint64_t frame_bytes = 0;
  std::uint32_t directory_bytes = 0;
  std::uint64_t model_fingerprint = 0;
  std::uint64_t profile_hash = 0;
  std::uint64_t rope_hash = 0;  // of the angles; 0: nobody asked for them
  std::string pipeline;
  std::int64_t layers = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t layer_first = 0;
  std::int64_t layer_count = 0;
  std::int64_t head_first = 0;  // KV heads of the model that the frame has
  std::int64_t head_count = 0;  // 0, to write_header(): all
  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  bool is_raw = false;
  bool has_head_sets = false;  // a level set for each of its heads; else one for all

  std::int64_t tokens() const { return last_token - first_token; }
  std::int64_t heads() const { return head_count == 0 ? kv_heads : head_count; }
  // Frames of all heads are of version 1, others of version 2.
  bool has_all_heads() const { return heads() == kv_heads; }
};

// kInvalidArgument: a number does not fit into its field.
Status check_fits(const FrameHeader& header);
void write_header(const FrameHeader& header, ByteWriter& out);
// Overwrites lengths and the raw flag in a header that was written.
void patch_header(const FrameHeader& header, std::byte* frame);

// No frame's bytes outside of its payload and directory are more.
std::size_t frame_overhead_max(const StageList& stages, std::size_t name_bytes, std::int64_t tokens,
                               std::int64_t heads);

// A frame taken apart, nothing decoded. All but payload and directory, which are views into the
// frame's bytes, is read from a copy: it stays what it was whatever happens to the bytes.
struct FrameParts {
  FrameHeader header;
  std::uint16_t version = 0;
  std::uint64_t checksum = 0;
  StageList stages;
  std::unique_ptr<std::byte[]> head;  // what the sets are views into
  std::vector<LevelSet> sets;         // one, or one for each head
  Bytes payload;
  Bytes directory;
};
// kCorrupt or kUnsupported, as read_frame_info().
Result<FrameParts> take_apart(Bytes bytes);

// Of a whole frame but its last eight bytes, which hold it.
std::uint64_t frame_checksum(Bytes frame);
std::uint64_t rope_hash(const RopeAngles& rope);

}  // namespace sluice::kernels
