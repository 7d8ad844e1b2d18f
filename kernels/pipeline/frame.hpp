// SPDX-License-Identifier: Apache-2.0
// Reading a frame: one layer's (or one group's) encoded KV, as docs/wire_format.md describes it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"

namespace sluice::kernels {

// A frame of all KV heads is of version 1, one of a part of them of version 2.
inline constexpr std::uint16_t kFrameVersionWhole = 1;
inline constexpr std::uint16_t kFrameVersionHeads = 2;
inline constexpr std::uint16_t kFrameVersion = kFrameVersionHeads;  // the newest known here

struct FrameStage {
  std::uint16_t id = 0;
  std::uint8_t version = 0;
  std::string name;
};

// The header, checked for itself and against its length; nothing decoded yet.
struct FrameInfo {
  std::uint16_t version = 0;
  std::uint64_t model_fingerprint = 0;
  std::uint64_t profile_hash = 0;  // 0: needs none
  std::string pipeline;
  std::int64_t layers = 0;  // of the model
  std::int64_t layer_first = 0;
  std::int64_t layer_count = 0;
  std::int64_t kv_heads = 0;  // of the model
  std::int64_t head_first = 0;
  std::int64_t head_count = 0;
  std::int64_t head_dim = 0;
  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  bool is_raw = false;
  std::uint64_t checksum = 0;  // of the whole frame but this field
  std::vector<FrameStage> stages;
  // Tokens kept, [layer_count][head_count]: the rows that decode() writes.
  std::vector<std::int32_t> kept;
  std::size_t frame_bytes = 0;  // of the frame; the bytes given may be longer
};

// kCorrupt: not a frame, cut short, or contradicting itself; kUnsupported: of a newer version or
// with a stage unknown here.
Result<FrameInfo> read_frame_info(Bytes bytes);

// Decodes frames of one model. Immutable; any number of threads, each with its own scratch.
class FrameDecoder {
 public:
  // `profile` may be null: a frame that needs one is then kNotFound.
  FrameDecoder(const CacheShape& shape, std::shared_ptr<const Profile> profile);
  ~FrameDecoder();

  // As read_frame_info(), and that the frame is of this model (kInvalidArgument).
  Result<FrameInfo> info(Bytes frame) const;

  // Where a frame's rows go: for layer l and head h, kept token number i is row row_first + i. The
  // pages may hold a part of the model's heads, the frame's among them, and only those are written.
  struct Target {
    std::span<const KvPages> pages;     // layer_count of them, reaching every row
    std::int64_t row_first = 0;         // of the frame's first token (streaming: what came before)
    std::int64_t pages_head_first = 0;  // the model's head that is the pages' first
    // As of an EncodeTask. Where a stage does not run on CUDA, the rows' blocks are copied to the
    // host and back: nobody else may write to them meanwhile.
    MemoryKind memory = MemoryKind::kHost;
    void* stream = nullptr;
  };
  // Checks the checksum, the model and every length before use; bytes that change meanwhile give
  // other rows or an error. `kept_positions`: null, or gets
  // [layer_count][head_count] lists of original positions. On an error the pages' rows of this
  // frame are undefined, and nothing else is touched.
  Result<FrameInfo> decode(Bytes frame, const Target& target, Scratch& scratch,
                           std::vector<std::vector<std::int32_t>>* kept_positions) const;

 private:
  CacheShape shape_;
  std::shared_ptr<const Profile> profile_;
  std::uint64_t profile_hash_ = 0;
};

}  // namespace sluice::kernels
