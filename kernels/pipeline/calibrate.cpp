// SPDX-License-Identifier: Apache-2.0
// Calibration is pipeline.hpp's calibrate(): stage after stage, for each one learns from what the
// calibrated ones before it leave.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "kernels/pipeline/buffers.hpp"
#include "kernels/pipeline/pipeline_parts.hpp"

namespace sluice::kernels {
namespace {

Status check_cache(const PipelineParts& parts, const CalibrationCache& cache) {
  const auto layers = static_cast<std::size_t>(parts.shape.layers);
  const bool is_scored = parts.selection(parts.shape).score_needs().any();
  if (cache.pages.size() == layers && (!is_scored || cache.scores.size() == layers)) return {};
  return make_error(
      ErrorCode::kInvalidArgument,
      "a calibration cache lacks layers, or their scores, of pipeline '" + parts.name + "'");
}

Status observe_group(const PipelineParts& parts, const EncodeTask& task, const Stage& stage,
                     Calibration& learner, Scratch::Buffers& buffers) {
  SLUICE_TRY(parts.check(task));
  const TokenLevels levels = SLUICE_TRY(parts.selection(parts.shape).select(task));
  for (const Segment& segment : segments_to_encode(levels, 0, {0, parts.shape.kv_heads})) {
    if (parts.is_exact(segment)) continue;
    for (const KvHalf half : parts.planes_of(segment)) {
      SLUICE_TRY(observe_plane(parts.stages, parts.plane(task, segment, half),
                               parts.tile(task, segment, half), stage, learner, buffers));
    }
  }
  return {};
}

using LayerPlans = std::vector<LayerPlan>;  // by cache

Result<LayerPlans> plans_of(const PipelineParts& parts, std::span<const CalibrationCache> caches) {
  LayerPlans plans(caches.size());
  const Selection selection = parts.selection(parts.shape);
  if (!selection.needs_all_layers()) return plans;
  for (std::size_t i = 0; i < caches.size(); ++i) {
    plans[i] = SLUICE_TRY(selection.plan_layers(caches[i].tokens, caches[i].scores, 0));
  }
  return plans;
}

// The layers of one frame.
EncodeTask task_of(const PipelineParts& parts, const CalibrationCache& cache, const LayerPlan& plan,
                   std::int64_t layer) {
  const auto first = static_cast<std::size_t>(layer);
  const auto count =
      static_cast<std::size_t>(std::min(parts.layers_per_frame, parts.shape.layers - layer));
  EncodeTask task;
  task.layer_first = layer;
  task.pages = std::span(cache.pages).subspan(first, count);
  task.last_token = cache.tokens;
  if (parts.selection(parts.shape).needs_all_layers()) {
    task.plan = &plan;
    task.scores = cache.scores;
  } else if (!cache.scores.empty()) {
    task.scores = std::span(cache.scores).subspan(first, count);
  }
  return task;
}

// All caches' layers of a frame before the next ones': a stage may hold those alone.
Status observe_caches(const PipelineParts& parts, std::span<const CalibrationCache> caches,
                      const Stage& stage, Calibration& learner, Scratch::Buffers& buffers) {
  const LayerPlans plans = SLUICE_TRY(plans_of(parts, caches));
  for (std::int64_t layer = 0; layer < parts.shape.layers; layer += parts.layers_per_frame) {
    for (std::size_t i = 0; i < caches.size(); ++i) {
      SLUICE_TRY(observe_group(parts, task_of(parts, caches[i], plans[i], layer), stage, learner,
                               buffers));
    }
  }
  return {};
}

// What is new of `learnt`; what was there stays.
void add_tensors(const Profile& learnt, Profile& profile) {
  for (const std::string& name : learnt.names()) {
    if (profile.find(name)) continue;
    const TensorView tensor = *learnt.find(name);
    const auto rank = static_cast<std::ptrdiff_t>(tensor.rank);
    profile.put(name, tensor.dtype, {tensor.shape.begin(), tensor.shape.begin() + rank},
                {tensor.data, tensor.bytes()});
  }
}

}  // namespace

Result<ScoreNeeds> score_needs_of(const PipelineSpec& spec) {
  const StageList stages = SLUICE_TRY(StageList::from_spec(spec));
  return Selection{stages.selects, nullptr, nullptr}.score_needs();
}

Status calibrate(const PipelineSpec& spec, const CacheShape& shape,
                 std::span<const CalibrationCache> caches, Profile& profile) {
  if (profile.model_fingerprint == 0) profile.model_fingerprint = shape.model_fingerprint;
  const auto parts =
      SLUICE_TRY(PipelineParts::make(spec, shape, std::make_shared<const Profile>(profile)));
  for (const CalibrationCache& cache : caches) SLUICE_TRY(check_cache(*parts, cache));
  Scratch scratch;
  for (const StageList::Entry& entry : parts->stages.entries) {
    const auto learner = entry.stage->calibration();
    if (learner == nullptr || entry.row->role == StageRole::kSelect) continue;
    SLUICE_TRY(observe_caches(*parts, caches, *entry.stage, *learner, scratch.buffers()));
    Profile learnt = profile;  // it may hold what the stage learns from
    SLUICE_TRY(learner->finish(learnt));
    add_tensors(learnt, profile);
    parts->set_profile(std::make_shared<const Profile>(profile));
  }
  return {};
}

}  // namespace sluice::kernels
