// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/pipeline_set.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "runtime/config/pipeline_config.hpp"
#include "runtime/frames/frame_plan.hpp"

namespace sluice::runtime {
namespace {

// Of what a worker can do: it computes a prompt once.
Result<std::shared_ptr<const kernels::Pipeline>> open_pipeline(const kernels::PipelineSpec& spec,
                                                               const PipelineSetOptions& options) {
  auto pipeline = SLUICE_TRY(kernels::Pipeline::create(spec, options.shape, options.profile));
  if (pipeline->score_needs().reconstruction) {
    return make_error(ErrorCode::kUnsupported,
                      "pipeline '" + spec.name +
                          "' selects by a repetition of the prompt (kvzip), a second pass that "
                          "workers do not make: it is for `sluice eval` and `sluice codec`");
  }
  return std::shared_ptr<const kernels::Pipeline>(std::move(pipeline));
}

auto fields(const kernels::ScoreNeeds& needs) {
  return std::tuple(needs.window_tokens, needs.question, needs.peak, needs.accumulated,
                    needs.expected, needs.output_norm, needs.queries, needs.similarity,
                    needs.reconstruction);
}

bool can_change_to(const kernels::Pipeline& one, const kernels::Pipeline& other) {
  return !one.needs_all_layers() && !other.needs_all_layers() &&
         one.layers_per_frame() == other.layers_per_frame() &&
         one.is_streaming() == other.is_streaming() &&
         fields(one.score_needs()) == fields(other.score_needs());
}

}  // namespace

PipelineSet::PipelineSet(PipelineSetOptions options)
    : options_(std::move(options)), decoder_(options_.shape, options_.profile) {
  if (options_.profile != nullptr) profile_hash_ = options_.profile->hash();
}

Result<std::unique_ptr<PipelineSet>> PipelineSet::create(const std::string& name_or_path,
                                                         PipelineSetOptions options) {
  const auto spec = SLUICE_TRY(find_pipeline(name_or_path, options.presets));
  std::unique_ptr<PipelineSet> set(new PipelineSet(std::move(options)));
  set->standard_ = SLUICE_TRY(open_pipeline(spec, set->options_));
  set->pipeline_hash_ = sluice::runtime::pipeline_hash(spec);
  return set;
}

Result<PipelineSet::Known> PipelineSet::find_known(const std::string& name) {
  if (name.empty() || name == standard_->name()) return Known{standard_, pipeline_hash_};
  const std::lock_guard lock(mutex_);
  if (const auto found = others_.find(name); found != others_.end()) return found->second;
  const auto spec = SLUICE_TRY(find_preset(name, options_.presets));
  PipelinePointer pipeline = SLUICE_TRY(open_pipeline(spec, options_));
  const Known known{std::move(pipeline), sluice::runtime::pipeline_hash(spec)};
  others_.emplace(name, known);
  return known;
}

Result<PipelineSet::PipelinePointer> PipelineSet::find(const std::string& name) {
  return SLUICE_TRY(find_known(name)).pipeline;
}

std::optional<std::uint64_t> PipelineSet::prefix_salt(const std::string& name) {
  const auto known = find_known(name);
  if (!known || !keeps_prefixes(*known->pipeline)) return std::nullopt;
  return known->hash;
}

std::vector<LevelFamily> PipelineSet::families(const scheduler::LevelTable& levels) {
  std::vector<LevelFamily> families;
  for (std::size_t i = 0; i < levels.levels.size(); ++i) {
    const scheduler::Level& level = levels.levels[i];
    const auto known = find_known(level.pipeline);
    if (level.pipeline.empty() || !known || known->hash != level.stages) continue;
    const auto family =
        std::find_if(families.begin(), families.end(), [&](const LevelFamily& other) {
          return can_change_to(*other.front().pipeline, *known->pipeline);
        });
    const LevelPipeline member{static_cast<std::int32_t>(i), known->pipeline};
    if (family != families.end()) {
      family->push_back(member);
    } else {
      families.push_back({member});
    }
  }
  return families;
}

}  // namespace sluice::runtime
