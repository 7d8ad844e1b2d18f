// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/pipeline.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pipeline/buffers.hpp"
#include "kernels/pipeline/device/plane_place.hpp"
#include "kernels/pipeline/pipeline_parts.hpp"

namespace sluice::kernels {

Scratch::Scratch() : buffers_(std::make_unique<Buffers>()) {}
Scratch::~Scratch() = default;
Scratch::Scratch(Scratch&&) noexcept = default;
Scratch& Scratch::operator=(Scratch&&) noexcept = default;

struct Pipeline::Parts : PipelineParts {};

namespace {

Status put_raw(const PipelineParts& parts, const EncodeTask& task, PlanePlace& place,
               std::span<const Segment> segments, FrameWriter& out) {
  const auto layers = static_cast<std::int64_t>(task.pages.size());
  for (const Segment& segment : segments) {
    const std::size_t half_bytes = parts.raw_bytes({&segment, 1}, layers) / 2;
    for (const KvHalf half : kKvHalves) {
      SLUICE_TRY(place.load_raw(parts.tile(task, segment, half), out.reserve(half_bytes)));
    }
  }
  return {};
}

// False: it does not fit. Fills the directory.
Result<bool> put_coded(const PipelineParts& parts, const EncodeTask& task, PlanePlace& place,
                       std::span<const Segment> segments, FrameWriter& out, ByteWriter& directory) {
  const auto layers = static_cast<std::int64_t>(task.pages.size());
  for (const Segment& segment : segments) {
    for (const KvHalf half : parts.planes_of(segment)) {
      const KvTile rows = parts.tile(task, segment, half);
      if (parts.is_exact(segment)) {
        std::byte* to = out.reserve(parts.raw_bytes({&segment, 1}, layers) / 2);
        if (to == nullptr) return false;
        SLUICE_TRY(place.load_raw(rows, to));
        continue;
      }
      const Plane plane = parts.plane(task, segment, half);
      const PlaneSizes sizes = SLUICE_TRY(place.encode(plane, rows, out));
      if (!sizes.fits) return false;
      put_varint(directory, sizes.symbols);
      put_varint(directory, sizes.side);
      if (parts.stages.correct != nullptr) put_varint(directory, sizes.correction);
    }
  }
  return true;
}

// Stages that run on a device look at no page, and are shown none.
Result<TokenLevels> select(const PipelineParts& parts, EncodeTask task, bool is_on_device) {
  std::vector<KvPages> unseen(task.pages.begin(), task.pages.end());
  if (is_on_device) {
    for (KvPages& pages : unseen) pages.blocks = {};
    task.pages = unseen;
  }
  const HeadRange held = parts.held_heads(task);
  const HeadRange sent = parts.sent_heads(task);
  const CacheShape shape = parts.shape_of(held.count);
  TokenLevels levels = SLUICE_TRY(parts.selection(shape).select(task));
  keep_heads(levels, {sent.first - held.first, sent.count});
  return levels;
}

ByteWriter frame_start(const PipelineParts& parts, const FrameHeader& header,
                       const TokenLevels& levels) {
  ByteWriter start;
  write_header(header, start);
  parts.stages.write(start);
  for (std::int64_t set = 0; set < levels.heads; ++set) {
    write_level_set(std::span(levels.level)
                        .subspan(static_cast<std::size_t>(set * levels.tokens),
                                 static_cast<std::size_t>(levels.tokens)),
                    start);
  }
  return start;
}

}  // namespace

Pipeline::Pipeline(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Pipeline::~Pipeline() = default;

Result<std::unique_ptr<const Pipeline>> Pipeline::create(const PipelineSpec& spec,
                                                         const CacheShape& shape,
                                                         std::shared_ptr<const Profile> profile) {
  const auto named = [&](const Error& error) {
    return make_error(error.code, "pipeline '" + spec.name + "': " + error.message);
  };
  auto made = PipelineParts::make(spec, shape, std::move(profile));
  if (!made) return named(made.error());
  if (const Status ok = (*made)->check_profile(); !ok) return named(ok.error());
  auto parts = std::make_unique<Parts>(Parts{std::move(**made)});
  return std::unique_ptr<const Pipeline>(new Pipeline(std::move(parts)));
}

const std::string& Pipeline::name() const { return parts_->name; }
const CacheShape& Pipeline::shape() const { return parts_->shape; }
ScoreNeeds Pipeline::score_needs() const { return parts_->selection(parts_->shape).score_needs(); }
std::int64_t Pipeline::layers_per_frame() const { return parts_->layers_per_frame; }
bool Pipeline::is_streaming() const {
  return parts_->stages.selects.empty() && !parts_->stages.needs_all_rows();
}
bool Pipeline::needs_all_layers() const {
  return parts_->selection(parts_->shape).needs_all_layers();
}

Result<LayerPlan> Pipeline::plan_layers(std::int64_t tokens, std::span<const LayerScores> scores,
                                        std::uint64_t seed) const {
  // Scores of a rank that holds a part of the heads are a plan for that part.
  const std::int64_t all = parts_->shape.kv_heads;
  const std::int64_t heads = scores.empty() ? all : scores.front().kv_heads;
  if (heads < 1 || heads >= all)
    return parts_->selection(parts_->shape).plan_layers(tokens, scores, seed);
  SLUICE_TRY(check_head_parts(/*holds_all=*/false));
  const CacheShape part = parts_->shape_of(heads);
  return parts_->selection(part).plan_layers(tokens, scores, seed);
}

Status Pipeline::check_head_parts(bool holds_all) const {
  return parts_->check_head_parts(holds_all);
}

std::size_t Pipeline::frame_bytes_max(std::int64_t tokens, std::int64_t layers,
                                      std::int64_t heads) const {
  const CacheShape& shape = parts_->shape;
  if (heads == 0) heads = shape.kv_heads;
  return frame_overhead_max(parts_->stages, parts_->name.size(), tokens, heads) +
         static_cast<std::size_t>(tokens * layers * heads * shape.head_dim) * 2 *
             sizeof(std::uint16_t);
}

Result<EncodeReport> Pipeline::encode(const EncodeTask& given, MutableBytes frame,
                                      Scratch& scratch) const {
  SLUICE_TRY(parts_->check(given));
  const PlacedPages placed = SLUICE_TRY(PlacedPages::make(parts_->stages,
                                                          {.pages = given.pages,
                                                           .memory = given.memory,
                                                           .stream = given.stream,
                                                           .row_first = given.first_token,
                                                           .row_last = given.last_token},
                                                          scratch.buffers()));
  EncodeTask task = given;
  task.pages = placed.pages();
  const TokenLevels levels = SLUICE_TRY(select(*parts_, task, placed.is_on_device()));
  const HeadRange heads = parts_->sent_heads(task);
  const auto layers = static_cast<std::int64_t>(task.pages.size());
  const auto segments = segments_to_encode(levels, task.first_token, heads);
  const std::size_t raw_bytes = parts_->raw_bytes(segments, layers);

  FrameHeader header = parts_->header(task, levels);
  SLUICE_TRY(check_fits(header));
  const ByteWriter start = frame_start(*parts_, header, levels);
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
  const bool is_coded =
      SLUICE_TRY(put_coded(*parts_, task, placed.place(), segments, out, directory));
  std::size_t payload_bytes = out.used();
  header.directory_bytes = static_cast<std::uint32_t>(directory.bytes().size());
  if (!is_coded || payload_bytes + header.directory_bytes > std::min(room, raw_bytes)) {
    if (raw_bytes > room) return too_small();
    FrameWriter raw(frame.subspan(start_bytes, raw_bytes));
    SLUICE_TRY(put_raw(*parts_, task, placed.place(), segments, raw));
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
  return EncodeReport{
      .frame_bytes = header.frame_bytes,
      .elements = 2 * layers * heads.count * parts_->shape.head_dim * header.tokens(),
      .elements_kept = static_cast<std::int64_t>(raw_bytes / sizeof(std::uint16_t)),
      .is_raw = header.is_raw,
      .on_device = placed.is_on_device()};
}

}  // namespace sluice::kernels
