// SPDX-License-Identifier: Apache-2.0
#include "launch/eval_deltas.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

#include "runtime/codec/prefill_cache.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/evaluation/delta_statistics.hpp"

namespace sluice::launch {
namespace {

constexpr std::size_t kItems = 12;  // of all tasks; more change the second digit

std::string section_of(const std::vector<runtime::DeltaStatistics>& statistics,
                       std::size_t prompts) {
  return fmt::format(
             "Variance and entropy before anything is quantized, of {} prompts' caches: a "
             "difference's variance over the values' (geometric mean over layers, least to most), "
             "the entropy of INT4's symbols with a scale for 32 channels of a token, and the bits "
             "that an ideal coder with a distribution for each channel needs at one step for all, "
             "INT4's for the values.\n\n",
             prompts) +
         runtime::delta_table(statistics) + "\n";
}

}  // namespace

Status add_delta_statistics(runtime::Study& study, const StudyJobs& jobs, const LoadedModel& model,
                            const std::filesystem::path& folder) {
  if (!study.delta_statistics || jobs.jobs.empty()) return {};
  const auto options = SLUICE_TRY(runtime::engine_options("cpu", "auto", 0));
  const auto engine = SLUICE_TRY(runtime::PrefillEngine::create(*model.file, options, {}));
  const runtime::EvaluationModel asked = evaluation_model(model);
  std::optional<runtime::DeltaMeter> meter;
  const std::size_t count = std::min(kItems, jobs.jobs.size());
  for (std::size_t i = 0; i < count; ++i) {
    // Jobs lie task by task.
    const auto& item = jobs.jobs[i * jobs.jobs.size() / count].item;
    const auto prompt = SLUICE_TRY(asked.encode_prompt(item.prompt));
    const auto cache = SLUICE_TRY(runtime::prefill_cache(*engine, *model.file, prompt, {}));
    if (!meter) meter.emplace(cache.shape());
    meter->observe(cache);
  }
  const auto statistics = meter->finish();
  study.analysis = section_of(statistics, count) + study.analysis;
  const auto path = folder / "deltas.json";
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << runtime::delta_json(statistics);
  file.close();
  if (file) return {};
  return make_error(ErrorCode::kUnavailable, "cannot write " + path.string());
}

}  // namespace sluice::launch
