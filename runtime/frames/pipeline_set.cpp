// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/pipeline_set.hpp"

#include <utility>

#include "runtime/config/pipeline_config.hpp"

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

Result<PipelineSet::PipelinePointer> PipelineSet::find(const std::string& name) {
  if (name.empty() || name == standard_->name()) return standard_;
  const std::lock_guard lock(mutex_);
  if (const auto found = others_.find(name); found != others_.end()) return found->second;
  const auto spec = SLUICE_TRY(find_preset(name, options_.presets));
  PipelinePointer pipeline = SLUICE_TRY(open_pipeline(spec, options_));
  others_.emplace(name, pipeline);
  return pipeline;
}

}  // namespace sluice::runtime
