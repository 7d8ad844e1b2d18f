// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/pipeline.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "kernels/pipeline/buffers.hpp"
#include "kernels/pipeline/frame_format.hpp"
#include "kernels/pipeline/plane_codec.hpp"
#include "kernels/pipeline/segment.hpp"
#include "kernels/pipeline/selection.hpp"
#include "kernels/pipeline/stage_list.hpp"

namespace sluice::kernels {

Scratch::Scratch() : buffers_(std::make_unique<Buffers>()) {}
Scratch::~Scratch() = default;
Scratch::Scratch(Scratch&&) noexcept = default;
Scratch& Scratch::operator=(Scratch&&) noexcept = default;

struct Pipeline::Parts {
  std::string name;
  CacheShape shape;
  CacheShape coded_shape;  // as stages behind selection see it: without angles if none transforms
  std::shared_ptr<const Profile> profile;
  const Profile* coded_profile = nullptr;  // null if no decoder needs it
  std::uint64_t profile_hash = 0;
  StageList stages;
  std::int64_t layers_per_frame = 1;

  Selection selection() const { return {stages.selects, &shape, profile.get()}; }
  FrameHeader header(const EncodeTask& task, const TokenLevels& levels) const;
  Plane plane(const EncodeTask& task, const Segment& segment, KvHalf half) const;
  KvTile tile(const EncodeTask& task, const Segment& segment, KvHalf half) const;
  Status check(const EncodeTask& task) const;
  Status check_profile() const;
  bool is_exact(const Segment& segment) const {
    return segment.level == kLevelExact || !stages.is_lossy();
  }
  std::size_t raw_bytes(std::span<const Segment> segments, std::int64_t layers) const;
  void put_raw(const EncodeTask& task, std::span<const Segment> segments, FrameWriter& out) const;
  Result<bool> put_coded(const EncodeTask& task, std::span<const Segment> segments,
                         FrameWriter& out, ByteWriter& directory, Scratch& scratch) const;
};

namespace {

constexpr KvHalf kHalves[] = {KvHalf::kKey, KvHalf::kValue};

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

Status check_shape(const CacheShape& shape) {
  FrameHeader header;
  header.layers = shape.layers;
  header.kv_heads = shape.kv_heads;
  header.head_dim = shape.head_dim;
  header.layer_count = 1;
  return check_fits(header);
}

}  // namespace

FrameHeader Pipeline::Parts::header(const EncodeTask& task, const TokenLevels& levels) const {
  FrameHeader header;
  header.model_fingerprint = shape.model_fingerprint;
  header.profile_hash = profile_hash;
  header.rope_hash = rope_hash(coded_shape.rope);
  header.pipeline = name;
  header.layers = shape.layers;
  header.kv_heads = shape.kv_heads;
  header.head_dim = shape.head_dim;
  header.layer_first = task.layer_first;
  header.layer_count = static_cast<std::int64_t>(task.pages.size());
  header.first_token = task.first_token;
  header.last_token = task.last_token;
  header.has_head_sets = levels.heads > 1;
  return header;
}

Plane Pipeline::Parts::plane(const EncodeTask& task, const Segment& segment, KvHalf half) const {
  return {.shape = &coded_shape,
          .profile = coded_profile,
          .tables = name,
          .half = half,
          .layer_first = task.layer_first,
          .layer_count = static_cast<std::int64_t>(task.pages.size()),
          .head_first = segment.head_first,
          .head_count = segment.head_count,
          .level = segment.level,
          .positions = segment.positions,
          .importance = segment.importance};
}

KvTile Pipeline::Parts::tile(const EncodeTask& task, const Segment& segment, KvHalf half) const {
  return {.pages = task.pages,
          .half = half,
          .head_first = segment.head_first,
          .head_count = segment.head_count,
          .rows = segment.rows};
}

Status Pipeline::Parts::check(const EncodeTask& task) const {
  const auto count = static_cast<std::int64_t>(task.pages.size());
  if (count < 1 || count > layers_per_frame || task.layer_first < 0 ||
      task.layer_first + count > shape.layers) {
    return invalid("a frame of pipeline '" + name + "' holds 1 to " +
                   std::to_string(layers_per_frame) + " layers of the model's " +
                   std::to_string(shape.layers));
  }
  if (task.first_token < 0 || task.last_token < task.first_token) {
    return invalid("a frame's tokens are a range");
  }
  if (task.first_token != 0 && !stages.selects.empty()) {
    return invalid("pipeline '" + name + "' looks at all tokens: its frames begin at token 0");
  }
  for (const KvPages& pages : task.pages) {
    const bool is_of_shape = pages.kv_heads == shape.kv_heads && pages.head_dim == shape.head_dim;
    if (!is_of_shape || (pages.element_bytes != 2 && pages.element_bytes != 4) ||
        pages.element_bytes != task.pages.front().element_bytes || pages.block_tokens < 1 ||
        static_cast<std::int64_t>(pages.blocks.size()) * pages.block_tokens < task.last_token) {
      return invalid("the pages to encode have another shape than pipeline '" + name +
                     "' was made for, or end before the last token");
    }
  }
  return {};
}

// Stages read their tables when a plane begins: an empty plane of every group tells what is
// missing.
Status Pipeline::Parts::check_profile() const {
  if (!stages.uses_profile()) return {};
  Segment nothing;
  nothing.head_count = shape.kv_heads;
  Scratch scratch;
  for (std::int64_t layer = 0; layer < shape.layers; layer += layers_per_frame) {
    const std::int64_t count = std::min(layers_per_frame, shape.layers - layer);
    const KvPages pages{.blocks = {},
                        .block_tokens = 1,
                        .kv_heads = shape.kv_heads,
                        .head_dim = shape.head_dim,
                        .element_bytes = 2};
    const std::vector<KvPages> group(static_cast<std::size_t>(count), pages);
    EncodeTask task;
    task.layer_first = layer;
    task.pages = group;
    for (const KvHalf half : kHalves) {
      std::byte room[4096];
      FrameWriter out(room);
      SLUICE_TRY(encode_plane(stages, plane(task, nothing, half), tile(task, nothing, half), out,
                              scratch.buffers()));
    }
  }
  return {};
}

std::size_t Pipeline::Parts::raw_bytes(std::span<const Segment> segments,
                                       std::int64_t layers) const {
  std::size_t bytes = 0;
  for (const Segment& segment : segments) {
    bytes +=
        static_cast<std::size_t>(segment.tokens() * layers * segment.head_count * shape.head_dim) *
        2 * sizeof(std::uint16_t);
  }
  return bytes;
}

void Pipeline::Parts::put_raw(const EncodeTask& task, std::span<const Segment> segments,
                              FrameWriter& out) const {
  for (const Segment& segment : segments) {
    const auto layers = static_cast<std::int64_t>(task.pages.size());
    const std::size_t half_bytes = raw_bytes({&segment, 1}, layers) / 2;
    for (const KvHalf half : kHalves) load_bf16(tile(task, segment, half), out.reserve(half_bytes));
  }
}

// False: it does not fit. Fills the directory.
Result<bool> Pipeline::Parts::put_coded(const EncodeTask& task, std::span<const Segment> segments,
                                        FrameWriter& out, ByteWriter& directory,
                                        Scratch& scratch) const {
  const auto layers = static_cast<std::int64_t>(task.pages.size());
  for (const Segment& segment : segments) {
    for (const KvHalf half : kHalves) {
      const KvTile rows = tile(task, segment, half);
      if (is_exact(segment)) {
        std::byte* to = out.reserve(raw_bytes({&segment, 1}, layers) / 2);
        if (to == nullptr) return false;
        load_bf16(rows, to);
        continue;
      }
      const PlaneSizes sizes = SLUICE_TRY(
          encode_plane(stages, plane(task, segment, half), rows, out, scratch.buffers()));
      if (!sizes.fits) return false;
      put_varint(directory, sizes.symbols);
      put_varint(directory, sizes.side);
      if (stages.correct != nullptr) put_varint(directory, sizes.correction);
    }
  }
  return true;
}

Pipeline::Pipeline(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Pipeline::~Pipeline() = default;

Result<std::unique_ptr<const Pipeline>> Pipeline::create(const PipelineSpec& spec,
                                                         const CacheShape& shape,
                                                         std::shared_ptr<const Profile> profile) {
  if (spec.name.empty() || spec.name.size() > kPipelineNameMax) {
    return invalid("a pipeline's name has 1 to 64 characters");
  }
  SLUICE_TRY(check_shape(shape));
  const auto named = [&](const Error& error) {
    return make_error(error.code, "pipeline '" + spec.name + "': " + error.message);
  };
  auto stages = StageList::from_spec(spec);
  if (!stages) return named(stages.error());
  if (profile != nullptr && profile->model_fingerprint != 0 &&
      profile->model_fingerprint != shape.model_fingerprint) {
    return named(invalid("the profile was made for another model"));
  }
  auto parts = std::make_unique<Parts>();
  parts->name = spec.name;
  parts->shape = shape;
  parts->coded_shape = shape;
  parts->stages = std::move(*stages);
  if (parts->stages.transforms.empty()) parts->coded_shape.rope = {};
  parts->profile = std::move(profile);
  if (parts->profile != nullptr && parts->stages.uses_profile()) {
    parts->coded_profile = parts->profile.get();
    parts->profile_hash = parts->profile->hash();
  }
  for (const auto& entry : parts->stages.entries) {
    parts->layers_per_frame = std::max(parts->layers_per_frame, entry.stage->layers_per_frame());
  }
  if (const Status ok = parts->check_profile(); !ok) return named(ok.error());
  return std::unique_ptr<const Pipeline>(new Pipeline(std::move(parts)));
}

const std::string& Pipeline::name() const { return parts_->name; }
const CacheShape& Pipeline::shape() const { return parts_->shape; }
ScoreNeeds Pipeline::score_needs() const { return parts_->selection().score_needs(); }
std::int64_t Pipeline::layers_per_frame() const { return parts_->layers_per_frame; }
bool Pipeline::is_streaming() const {
  return parts_->stages.selects.empty() && !parts_->stages.needs_all_rows();
}
bool Pipeline::needs_all_layers() const { return parts_->selection().needs_all_layers(); }

Result<LayerPlan> Pipeline::plan_layers(std::int64_t tokens, std::span<const LayerScores> scores,
                                        std::uint64_t seed) const {
  return parts_->selection().plan_layers(tokens, scores, seed);
}

std::size_t Pipeline::frame_bytes_max(std::int64_t tokens, std::int64_t layers) const {
  const CacheShape& shape = parts_->shape;
  return frame_overhead_max(parts_->stages, parts_->name.size(), tokens, shape.kv_heads) +
         static_cast<std::size_t>(tokens * layers * shape.kv_heads * shape.head_dim) * 2 *
             sizeof(std::uint16_t);
}

Result<EncodeReport> Pipeline::encode(const EncodeTask& task, MutableBytes frame,
                                      Scratch& scratch) const {
  SLUICE_TRY(parts_->check(task));
  const TokenLevels levels = SLUICE_TRY(parts_->selection().select(task));
  const CacheShape& shape = parts_->shape;
  const auto layers = static_cast<std::int64_t>(task.pages.size());
  const auto segments = segments_to_encode(levels, task.first_token, shape.kv_heads);
  const std::size_t raw_bytes = parts_->raw_bytes(segments, layers);

  FrameHeader header = parts_->header(task, levels);
  SLUICE_TRY(check_fits(header));
  ByteWriter start;
  write_header(header, start);
  parts_->stages.write(start);
  for (std::int64_t set = 0; set < levels.heads; ++set) {
    write_level_set(std::span(levels.level)
                        .subspan(static_cast<std::size_t>(set * levels.tokens),
                                 static_cast<std::size_t>(levels.tokens)),
                    start);
  }
  const std::size_t start_bytes = start.bytes().size();
  const std::size_t room = frame.size() - std::min(frame.size(), start_bytes + kChecksumBytes);
  const auto too_small = [] {
    return make_error(ErrorCode::kResourceExhausted, "the frame is larger than its buffer");
  };
  if (frame.size() < start_bytes + kChecksumBytes) return too_small();
  std::memcpy(frame.data(), start.bytes().data(), start_bytes);

  // What is larger than the rows as they are is not worth its decoding.
  FrameWriter out(frame.subspan(start_bytes, std::min(room, raw_bytes)));
  ByteWriter directory;
  const bool is_coded = SLUICE_TRY(parts_->put_coded(task, segments, out, directory, scratch));
  std::size_t payload_bytes = out.used();
  header.directory_bytes = static_cast<std::uint32_t>(directory.bytes().size());
  if (!is_coded || payload_bytes + header.directory_bytes > std::min(room, raw_bytes)) {
    if (raw_bytes > room) return too_small();
    FrameWriter raw(frame.subspan(start_bytes, raw_bytes));
    parts_->put_raw(task, segments, raw);
    header.is_raw = true;
    header.directory_bytes = 0;
    payload_bytes = raw_bytes;
  }
  std::byte* end = frame.data() + start_bytes + payload_bytes;
  if (header.directory_bytes > 0) {
    std::memcpy(end, directory.bytes().data(), header.directory_bytes);
  }
  header.frame_bytes = start_bytes + payload_bytes + header.directory_bytes + kChecksumBytes;
  patch_header(header, frame.data());
  const std::uint64_t checksum = frame_checksum(frame.first(header.frame_bytes));
  std::memcpy(end + header.directory_bytes, &checksum, kChecksumBytes);
  return EncodeReport{.frame_bytes = header.frame_bytes,
                      .elements = 2 * layers * shape.kv_heads * shape.head_dim * header.tokens(),
                      .elements_kept = static_cast<std::int64_t>(raw_bytes / sizeof(std::uint16_t)),
                      .is_raw = header.is_raw};
}

}  // namespace sluice::kernels
