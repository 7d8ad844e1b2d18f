// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/evaluation_plan.hpp"

#include <algorithm>
#include <set>

#include "runtime/config/pipeline_config.hpp"
#include "runtime/engine/cache_shape.hpp"

namespace sluice::runtime {
namespace {

// Hashing what a pipeline reads of a profile takes long, and every job names the same few.
class MeasuredHashes {
 public:
  explicit MeasuredHashes(const kernels::Profile* profile) : profile_(profile) {}

  std::uint64_t of(const kernels::PipelineSpec& spec) {
    const auto [found, is_new] = hashes_.try_emplace(
        {pipeline_hash(spec), std::string(kernels::calibrated_name(spec.name))}, 0);
    if (is_new) found->second = measured_hash(spec, profile_);
    return found->second;
  }

 private:
  const kernels::Profile* profile_;
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> hashes_;
};

}  // namespace

Result<EvaluationPlan> EvaluationPlan::make(std::span<const EvaluationJob> jobs,
                                            const EvaluationModel& model,
                                            const std::shared_ptr<const kernels::Profile>& profile,
                                            const OutcomeFile& file) {
  EvaluationPlan plan;
  MeasuredHashes hashes(profile.get());
  std::map<std::uint64_t, const kernels::Pipeline*> opened;
  std::map<std::string, PlannedItem> items;  // by the full cache's key
  std::vector<std::string> order;
  std::set<std::string> seen;
  const std::uint64_t fingerprint = model.file->fingerprint();
  const kernels::CacheShape shape = cache_shape_of(*model.file);
  for (const EvaluationJob& job : jobs) {
    JobKeys keys{&job, full_cache_key(fingerprint, job.item), {}};
    const auto [place, is_new] = items.try_emplace(keys.full_key);
    PlannedItem& item = place->second;
    if (is_new) {
      order.push_back(keys.full_key);
      item = {&job.item, keys.full_key, file.find(keys.full_key) == nullptr, {}};
      seen.insert(keys.full_key);
      plan.done_ += item.lacks_full ? 0 : 1;
    }
    for (const kernels::PipelineSpec& spec : job.pipelines) {
      const std::uint64_t measured = hashes.of(spec);
      keys.keys.push_back(outcome_key(fingerprint, job.item, measured));
      const std::string& key = keys.keys.back();
      if (!seen.insert(key).second) continue;
      if (file.find(key) != nullptr) {
        ++plan.done_;
        continue;
      }
      const kernels::Pipeline*& pipeline = opened[measured];
      if (pipeline == nullptr) {
        auto made = kernels::Pipeline::create(spec, shape, profile);
        if (!made) {
          return make_error(made.error().code,
                            "pipeline " + spec.name + ": " + made.error().message);
        }
        pipeline = made->get();
        plan.pipelines_.push_back(std::move(*made));
      }
      item.measurements.push_back({pipeline, key});
    }
    plan.jobs_.push_back(std::move(keys));
  }
  plan.total_ = static_cast<std::int64_t>(seen.size());
  for (const std::string& key : order) {
    PlannedItem& item = items.at(key);
    if (item.lacks_full || !item.measurements.empty()) plan.items_.push_back(std::move(item));
  }
  return plan;
}

std::vector<Outcome> EvaluationPlan::collect(const OutcomeFile& file) const {
  std::vector<Outcome> outcomes;
  const auto add = [&](const std::string& key, const EvaluationItem& item,
                       const std::string& pipeline) {
    const Outcome* found = file.find(key);
    if (found == nullptr) return;
    outcomes.push_back(*found);
    Outcome& outcome = outcomes.back();
    outcome.task = item.task;
    outcome.item = item.id;
    outcome.pipeline = pipeline;
    outcome.length = item.length;
    outcome.depth = item.depth;
    outcome.keys = item.keys;
  };
  for (const JobKeys& keys : jobs_) {
    add(keys.full_key, keys.job->item, kFullCache);
    for (std::size_t i = 0; i < keys.keys.size(); ++i) {
      add(keys.keys[i], keys.job->item, keys.job->pipelines[i].name);
    }
  }
  return outcomes;
}

}  // namespace sluice::runtime
