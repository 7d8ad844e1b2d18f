// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/frame.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/pipeline/buffers.hpp"
#include "kernels/pipeline/device/plane_place.hpp"
#include "kernels/pipeline/frame_format.hpp"
#include "kernels/pipeline/plane_codec.hpp"
#include "kernels/pipeline/segment.hpp"

namespace sluice::kernels {
namespace {

Error corrupt(const char* what) {
  return make_error(ErrorCode::kCorrupt, std::string("the frame ") + what);
}

// `head`: counted from the frame's first.
const LevelSet& set_of(const FrameParts& parts, std::int64_t head) {
  return parts.sets[parts.header.has_head_sets ? static_cast<std::size_t>(head) : 0];
}

FrameInfo info_of(const FrameParts& parts) {
  const FrameHeader& header = parts.header;
  FrameInfo info;
  info.version = parts.version;
  info.model_fingerprint = header.model_fingerprint;
  info.profile_hash = header.profile_hash;
  info.pipeline = header.pipeline;
  info.layers = header.layers;
  info.layer_first = header.layer_first;
  info.layer_count = header.layer_count;
  info.kv_heads = header.kv_heads;
  info.head_first = header.head_first;
  info.head_count = header.head_count;
  info.head_dim = header.head_dim;
  info.first_token = header.first_token;
  info.last_token = header.last_token;
  info.is_raw = header.is_raw;
  info.checksum = parts.checksum;
  for (const StageList::Entry& entry : parts.stages.entries) {
    info.stages.push_back({entry.row->id, entry.row->version, entry.row->name});
  }
  for (std::int64_t layer = 0; layer < header.layer_count; ++layer) {
    for (std::int64_t head = 0; head < header.head_count; ++head) {
      info.kept.push_back(static_cast<std::int32_t>(set_of(parts, head).kept()));
    }
  }
  info.frame_bytes = header.frame_bytes;
  return info;
}

std::string written(std::int64_t layers, std::int64_t heads, std::int64_t head_dim) {
  return std::to_string(layers) + " layers of " + std::to_string(heads) + " heads of " +
         std::to_string(head_dim);
}

Status check_model(const FrameHeader& header, const CacheShape& shape) {
  if (header.layers != shape.layers || header.kv_heads != shape.kv_heads ||
      header.head_dim != shape.head_dim) {
    return make_error(
        ErrorCode::kInvalidArgument,
        "the frame is of a model with " + written(header.layers, header.kv_heads, header.head_dim) +
            ", and here is one with " + written(shape.layers, shape.kv_heads, shape.head_dim));
  }
  if (header.model_fingerprint != shape.model_fingerprint) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the frame is of another model than the one here");
  }
  if (header.rope_hash != 0 && header.rope_hash != rope_hash(shape.rope)) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the frame was made with other rotary angles than the model here has");
  }
  return {};
}

// Of the head that keeps most.
std::int64_t kept_rows(const FrameParts& parts) {
  std::int64_t kept = 0;
  for (const LevelSet& set : parts.sets) kept = std::max(kept, set.kept());
  return kept;
}

Status check_target(const FrameParts& parts, const FrameDecoder::Target& target) {
  const FrameHeader& header = parts.header;
  const std::int64_t kept = kept_rows(parts);
  bool is_right = static_cast<std::int64_t>(target.pages.size()) == header.layer_count &&
                  target.row_first >= 0 && target.pages_head_first >= 0;
  for (const KvPages& pages : target.pages) {
    // Compared before it is subtracted: the caller's number may be any.
    is_right = is_right && target.pages_head_first <= header.head_first &&
               header.head_first - target.pages_head_first <= pages.kv_heads - header.head_count &&
               pages.head_dim == header.head_dim &&
               (pages.element_bytes == 2 || pages.element_bytes == 4) &&
               pages.element_bytes == target.pages.front().element_bytes && pages.block_tokens > 0;
    const std::int64_t reach = static_cast<std::int64_t>(pages.blocks.size()) *
                               std::max<std::int64_t>(pages.block_tokens, 0);
    is_right = is_right && target.row_first <= reach && kept <= reach - target.row_first;
  }
  if (is_right) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "the pages to decode into do not take the frame's " + std::to_string(kept) +
                        " rows of " + std::to_string(header.layer_count) + " layers and " +
                        std::to_string(header.head_count) + " heads");
}

// Walks the payload and the directory, segment by segment.
class PayloadDecoder {
 public:
  PayloadDecoder(const FrameParts& parts, const CacheShape& shape, const Profile* profile,
                 const PlacedPages& placed, std::int64_t pages_head_first)
      : parts_(parts),
        shape_(shape),
        profile_(profile),
        placed_(placed),
        pages_head_first_(pages_head_first),
        payload_(parts.payload),
        directory_(parts.directory) {}

  std::span<const KvHalf> planes_of(const Segment& segment) const {
    return is_exact(segment) ? std::span<const KvHalf>(kKvHalves) : parts_.stages.coded_halves();
  }

  Status decode(const Segment& segment, KvHalf half) {
    const KvTile rows{.pages = placed_.pages(),
                      .half = half,
                      .head_first = segment.head_first - pages_head_first_,
                      .head_count = segment.head_count,
                      .rows = segment.rows,
                      .next_rows = {}};
    const StageList& stages = parts_.stages;
    if (is_exact(segment)) {
      const Bytes raw =
          SLUICE_TRY(take(static_cast<std::uint64_t>(segment.tokens()) *
                          static_cast<std::uint64_t>(rows.columns()) * sizeof(std::uint16_t)));
      return placed_.place().store_raw(rows, raw.data());
    }
    PlaneBytes coded;
    const std::uint64_t symbols = SLUICE_TRY(get_varint(directory_));
    const std::uint64_t side = SLUICE_TRY(get_varint(directory_));
    const std::uint64_t correction =
        stages.correct == nullptr ? 0 : SLUICE_TRY(get_varint(directory_));
    coded.symbols = SLUICE_TRY(take(symbols));
    coded.side = SLUICE_TRY(take(side));
    coded.correction = SLUICE_TRY(take(correction));
    const Plane plane{.shape = &shape_,
                      .profile = profile_,
                      .tables = calibrated_name(parts_.header.pipeline),
                      .half = half,
                      .layer_first = parts_.header.layer_first,
                      .layer_count = parts_.header.layer_count,
                      .head_first = segment.head_first,
                      .head_count = segment.head_count,
                      .level = segment.level,
                      .positions = segment.positions,
                      .importance = {}};
    return placed_.place().decode(plane, coded, rows);
  }

  Status finish() const {
    if (payload_.remaining() == 0 && directory_.remaining() == 0) return {};
    return corrupt("holds more than its tokens");
  }

 private:
  bool is_exact(const Segment& segment) const {
    return parts_.header.is_raw || segment.level == kLevelExact || !parts_.stages.is_lossy();
  }

  Result<Bytes> take(std::uint64_t bytes) {
    if (bytes > payload_.remaining()) return corrupt("contradicts its lengths");
    return payload_.get_bytes(bytes);
  }

  const FrameParts& parts_;
  const CacheShape& shape_;
  const Profile* profile_;
  const PlacedPages& placed_;
  const std::int64_t pages_head_first_;
  ByteReader payload_;
  ByteReader directory_;
};

void list_positions(const FrameParts& parts, std::vector<std::vector<std::int32_t>>& lists) {
  lists.clear();
  for (std::int64_t layer = 0; layer < parts.header.layer_count; ++layer) {
    for (std::int64_t head = 0; head < parts.header.head_count; ++head) {
      std::vector<std::int32_t>& list = lists.emplace_back();
      const LevelSet& set = set_of(parts, head);
      list.reserve(static_cast<std::size_t>(set.kept()));
      set.each_run([&](std::uint8_t level, std::int64_t first, std::int64_t last) {
        if (level == kLevelDropped) return;
        for (std::int64_t token = first; token < last; ++token) {
          list.push_back(static_cast<std::int32_t>(parts.header.first_token + token));
        }
      });
    }
  }
}

}  // namespace

Result<FrameInfo> read_frame_info(Bytes bytes) {
  const FrameParts parts = SLUICE_TRY(take_apart(bytes));
  return info_of(parts);
}

FrameDecoder::FrameDecoder(const CacheShape& shape, std::shared_ptr<const Profile> profile)
    : shape_(shape),
      profile_(std::move(profile)),
      profile_hash_(profile_ == nullptr ? 0 : profile_->hash()) {}

FrameDecoder::~FrameDecoder() = default;

Result<FrameInfo> FrameDecoder::info(Bytes frame) const {
  const FrameParts parts = SLUICE_TRY(take_apart(frame));
  SLUICE_TRY(check_model(parts.header, shape_));
  return info_of(parts);
}

Result<FrameInfo> FrameDecoder::decode(
    Bytes frame, const Target& target, Scratch& scratch,
    std::vector<std::vector<std::int32_t>>* kept_positions) const {
  const FrameParts parts = SLUICE_TRY(take_apart(frame));
  const FrameHeader& header = parts.header;
  if (frame_checksum(frame.first(header.frame_bytes)) != parts.checksum) {
    return corrupt("is damaged: its checksum differs");
  }
  SLUICE_TRY(check_model(header, shape_));
  if (header.profile_hash != 0 && profile_ == nullptr) {
    return make_error(ErrorCode::kNotFound,
                      "the frame needs the model's profile, and none was given");
  }
  if (header.profile_hash != 0 && header.profile_hash != profile_hash_) {
    return make_error(ErrorCode::kNotFound,
                      "the frame was made with another profile than the one here");
  }
  SLUICE_TRY(check_target(parts, target));
  CacheShape shape = shape_;
  if (header.rope_hash == 0) shape.rope = {};
  const Profile* profile = header.profile_hash == 0 ? nullptr : profile_.get();
  PlacedPages placed =
      SLUICE_TRY(PlacedPages::make(parts.stages,
                                   {.pages = target.pages,
                                    .memory = target.memory,
                                    .stream = target.stream,
                                    .row_first = target.row_first,
                                    .row_last = target.row_first + kept_rows(parts)},
                                   scratch.buffers()));
  PayloadDecoder payload(parts, shape, profile, placed, target.pages_head_first);
  const auto segments = segments_to_decode(parts.sets, header.first_token, target.row_first,
                                           {header.head_first, header.head_count});
  for (const Segment& segment : segments) {
    for (const KvHalf half : payload.planes_of(segment)) {
      SLUICE_TRY(payload.decode(segment, half));
    }
  }
  SLUICE_TRY(payload.finish());
  SLUICE_TRY(placed.write_back());
  if (kept_positions != nullptr) list_positions(parts, *kept_positions);
  return info_of(parts);
}

}  // namespace sluice::kernels
