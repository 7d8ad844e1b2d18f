// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/pipeline_parts.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice::kernels {
namespace {

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

Result<std::unique_ptr<PipelineParts>> PipelineParts::make(const PipelineSpec& spec,
                                                           const CacheShape& shape,
                                                           std::shared_ptr<const Profile> profile) {
  if (spec.name.empty() || spec.name.size() > kPipelineNameMax) {
    return invalid("a pipeline's name has 1 to 64 characters");
  }
  SLUICE_TRY(check_shape(shape));
  if (profile != nullptr && profile->model_fingerprint != 0 &&
      profile->model_fingerprint != shape.model_fingerprint) {
    return invalid("the profile was made for another model");
  }
  auto parts = std::make_unique<PipelineParts>();
  parts->name = spec.name;
  parts->shape = shape;
  parts->coded_shape = shape;
  parts->stages = SLUICE_TRY(StageList::from_spec(spec));
  if (parts->stages.transforms.empty()) parts->coded_shape.rope = {};
  for (const auto& entry : parts->stages.entries) {
    parts->layers_per_frame = std::max(parts->layers_per_frame, entry.stage->layers_per_frame());
  }
  parts->set_profile(std::move(profile));
  return parts;
}

void PipelineParts::set_profile(std::shared_ptr<const Profile> given) {
  profile = std::move(given);
  const bool is_coded = profile != nullptr && stages.uses_profile();
  coded_profile = is_coded ? profile.get() : nullptr;
  profile_hash = is_coded ? profile->hash() : 0;
}

// Stages read the profile when a layer or a plane begins: an empty cache tells what is missing.
Status PipelineParts::check_profile() const {
  const KvPages pages{.blocks = {},
                      .block_tokens = 1,
                      .kv_heads = shape.kv_heads,
                      .head_dim = shape.head_dim,
                      .element_bytes = 2};
  LayerScores none;
  none.kv_heads = shape.kv_heads;
  const std::vector<LayerScores> scores(static_cast<std::size_t>(shape.layers), none);
  const Selection whole = selection(shape);
  const LayerPlan plan = SLUICE_TRY(whole.plan_layers(0, scores, 0));
  Segment nothing;
  nothing.head_count = shape.kv_heads;
  Scratch scratch;
  for (std::int64_t layer = 0; layer < shape.layers; layer += layers_per_frame) {
    const auto count = static_cast<std::size_t>(std::min(layers_per_frame, shape.layers - layer));
    const std::vector<KvPages> group(count, pages);
    EncodeTask task;
    task.layer_first = layer;
    task.pages = group;
    task.plan = &plan;
    task.scores = std::span(scores).first(whole.needs_all_layers() ? scores.size() : count);
    SLUICE_TRY(whole.select(task));
    if (!stages.uses_profile()) continue;
    for (const KvHalf half : stages.coded_halves()) {
      std::byte room[4096];
      FrameWriter out(room);
      SLUICE_TRY(encode_plane(stages, plane(task, nothing, half), tile(task, nothing, half), out,
                              scratch.buffers()));
    }
  }
  return {};
}

Status PipelineParts::check(const EncodeTask& task) const {
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
  const HeadRange held = held_heads(task);
  const HeadRange sent = sent_heads(task);
  if (held.first < 0 || held.count < 1 || held.count > shape.kv_heads - held.first ||
      sent.first < held.first || sent.count < 1 ||
      sent.count > held.first + held.count - sent.first) {
    return invalid("a frame's KV heads are some of those that its pages hold, of the model's " +
                   std::to_string(shape.kv_heads));
  }
  if (sent.count != shape.kv_heads) {
    SLUICE_TRY(check_head_parts(/*holds_all=*/held.count == shape.kv_heads));
  }
  for (const KvPages& pages : task.pages) {
    const bool is_of_shape = pages.kv_heads == held.count && pages.head_dim == shape.head_dim;
    if (!is_of_shape || (pages.element_bytes != 2 && pages.element_bytes != 4) ||
        pages.element_bytes != task.pages.front().element_bytes || pages.block_tokens < 1 ||
        static_cast<std::int64_t>(pages.blocks.size()) * pages.block_tokens < task.last_token) {
      return invalid("the pages to encode have another shape than pipeline '" + name +
                     "' was made for, or end before the last token");
    }
  }
  return {};
}

HeadRange PipelineParts::held_heads(const EncodeTask& task) const {
  return {task.pages_head_first, task.pages.front().kv_heads};
}

HeadRange PipelineParts::sent_heads(const EncodeTask& task) const {
  const HeadRange held = held_heads(task);
  const std::int64_t rest = held.first + held.count - task.head_first;
  return {task.head_first, task.head_count == 0 ? rest : task.head_count};
}

Status PipelineParts::check_head_parts(bool holds_all) const {
  for (const StageList::Entry& entry : stages.entries) {
    if (!entry.stage->needs_all_heads() || (entry.row->role == StageRole::kSelect && holds_all)) {
      continue;
    }
    return make_error(ErrorCode::kUnsupported,
                      "stage '" + std::string(entry.row->name) + "' of pipeline '" + name +
                          "' works on all KV heads of a layer together: it codes no part of them");
  }
  return {};
}

CacheShape PipelineParts::shape_of(std::int64_t heads) const {
  CacheShape part = shape;
  part.kv_heads = heads;
  return part;
}

FrameHeader PipelineParts::header(const EncodeTask& task, const TokenLevels& levels) const {
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
  header.head_first = sent_heads(task).first;
  header.head_count = sent_heads(task).count;
  header.first_token = task.first_token;
  header.last_token = task.last_token;
  header.has_head_sets = levels.heads > 1;
  return header;
}

Plane PipelineParts::plane(const EncodeTask& task, const Segment& segment, KvHalf half) const {
  return {.shape = &coded_shape,
          .profile = coded_profile,
          .tables = calibrated_name(name),
          .half = half,
          .layer_first = task.layer_first,
          .layer_count = static_cast<std::int64_t>(task.pages.size()),
          .head_first = segment.head_first,
          .head_count = segment.head_count,
          .level = segment.level,
          .positions = segment.positions,
          .importance = segment.importance};
}

KvTile PipelineParts::tile(const EncodeTask& task, const Segment& segment, KvHalf half) const {
  return {.pages = task.pages,
          .half = half,
          .head_first = segment.head_first - task.pages_head_first,
          .head_count = segment.head_count,
          .rows = segment.rows,
          .next_rows = {}};
}

std::size_t PipelineParts::raw_bytes(std::span<const Segment> segments, std::int64_t layers) const {
  std::size_t bytes = 0;
  for (const Segment& segment : segments) {
    bytes +=
        static_cast<std::size_t>(segment.tokens() * layers * segment.head_count * shape.head_dim) *
        2 * sizeof(std::uint16_t);
  }
  return bytes;
}

}  // namespace sluice::kernels
