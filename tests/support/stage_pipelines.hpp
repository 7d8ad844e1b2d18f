// SPDX-License-Identifier: Apache-2.0
// A pipeline around every stage of the registry: what tests iterate over.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pipeline/pipeline.hpp"
#include "kernels/stages/registry.hpp"
#include "tests/support/kv_fixture.hpp"

namespace sluice::tests {

// What a stage cannot do without.
inline kernels::ParameterMap stage_parameters(const std::string& stage) {
  using Numbers = std::vector<double>;
  if (stage == "bottleneck") return {{"layers", Numbers{0}}};
  if (stage == "graded_tokens") return {{"shares", Numbers{0.5, 0.5}}};
  if (stage == "kvtc") return {{"bits", 5.0}};
  if (stage == "qaq_levels") return {{"bits", Numbers{8, 4, 2}}};
  return {};
}

// The stage with its defaults, and with `rtn` where it needs a quantizer. Named after the stage.
inline std::vector<kernels::PipelineSpec> stage_pipelines() {
  std::vector<kernels::PipelineSpec> all{{"raw", "", {}}};
  for (const kernels::StageRow& row : kernels::stage_table()) {
    kernels::PipelineSpec spec{row.name, "", {{row.name, stage_parameters(row.name)}}};
    const kernels::StageSpec rtn{"rtn", {{"bits", 4.0}}};
    if (row.role < kernels::StageRole::kQuantize) spec.stages.push_back(rtn);
    if (row.role > kernels::StageRole::kQuantize) spec.stages.insert(spec.stages.begin(), rtn);
    // They allot bits to klt's components.
    if (spec.name == "kvtc" || spec.name == "waterfill") {
      spec.stages.insert(spec.stages.begin(), {"klt", {}});
    }
    // They grade by what a selector found important.
    if (spec.name == "graded_tokens" || spec.name == "grade") {
      spec.stages.insert(spec.stages.begin(), {"q2c", {}});
    }
    all.push_back(std::move(spec));
  }
  return all;
}

// Learnt from `cache` alone.
inline Result<std::shared_ptr<const kernels::Profile>> calibrated(const kernels::PipelineSpec& spec,
                                                                  const KvFixture& cache) {
  const kernels::ScoreNeeds needs = SLUICE_TRY(kernels::score_needs_of(spec));
  const std::vector<kernels::CalibrationCache> caches{
      {cache.pages(), cache.spec().tokens, cache.scores(needs)}};
  kernels::Profile profile;
  SLUICE_TRY(kernels::calibrate(spec, cache.shape(), caches, profile));
  return std::shared_ptr<const kernels::Profile>(
      std::make_shared<const kernels::Profile>(std::move(profile)));
}

}  // namespace sluice::tests
