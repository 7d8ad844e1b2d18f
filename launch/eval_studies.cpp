// SPDX-License-Identifier: Apache-2.0
#include "launch/eval_studies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "launch/codec_paths.hpp"
#include "launch/prompt_text.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/evaluation/tasks.hpp"

namespace sluice::launch {
namespace {

constexpr std::int64_t kCount = 20;
constexpr std::int64_t kSmokeCount = 3;
constexpr const char* kAll = "all";
constexpr const char* kSmokePipelines[] = {"raw", "int8", "int4", "q2c+int4", "best", "best_fast"};

// `name` may be there or not.
bool is_preset(const std::string& name) {
  const auto names = runtime::preset_names(presets_folder());
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<std::vector<runtime::StudyPipeline>> pipelines_for(const EvalOptions& options) {
  std::vector<std::string> names;
  if (options.smoke) {
    std::copy_if(std::begin(kSmokePipelines), std::end(kSmokePipelines), std::back_inserter(names),
                 is_preset);
  }
  for (const std::string& name : options.smoke ? std::vector<std::string>() : options.pipelines) {
    if (name == kAll) {
      const auto all = runtime::preset_names(presets_folder());
      names.insert(names.end(), all.begin(), all.end());
    } else {
      names.push_back(name);
    }
  }
  std::vector<runtime::StudyPipeline> pipelines;
  for (const std::string& name : names) {
    auto spec = SLUICE_TRY(runtime::find_pipeline(name, presets_folder()));
    const bool is_there = std::any_of(pipelines.begin(), pipelines.end(), [&](const auto& other) {
      return other.spec.name == spec.name;
    });
    if (!is_there) pipelines.push_back({std::move(spec), {}, {}, {}});
  }
  return pipelines;
}

Result<runtime::Study> study_of_options(const EvalOptions& options) {
  runtime::Study study;
  study.name = options.smoke ? "smoke" : "eval";
  study.title = "What each pipeline costs an answer, and how many bytes it saves";
  for (const std::string& name : options.tasks) {
    SLUICE_TRY(runtime::find_task(name));
    const std::int64_t count = options.smoke ? kSmokeCount : kCount;
    runtime::StudyTask task{name, options.count > 0 ? options.count : count, {}, {}, {}};
    if (options.smoke && name == "needle") {
      task.lengths = {512};
      task.depths = {0.25, 0.5, 0.75};
      task.keys = {1};
    }
    study.tasks.push_back(std::move(task));
  }
  study.pipelines = SLUICE_TRY(pipelines_for(options));
  study.charts = {runtime::StudyChart::kPareto};
  return study;
}

}  // namespace

Result<std::vector<runtime::Study>> studies_for(const EvalOptions& options) {
  if (options.studies.empty()) {
    return std::vector<runtime::Study>{SLUICE_TRY(study_of_options(options))};
  }
  if (options.studies == std::vector<std::string>{kAll}) {
    return runtime::load_studies(studies_folder(), presets_folder());
  }
  std::vector<runtime::Study> studies;
  for (const std::string& name : options.studies) {
    std::filesystem::path path = name;
    if (path.extension() != ".yaml") path = studies_folder() / (name + ".yaml");
    if (!std::filesystem::exists(path)) {
      std::string known;
      for (const auto& study :
           SLUICE_TRY(runtime::load_studies(studies_folder(), presets_folder()))) {
        known += (known.empty() ? "" : ", ") + study.name;
      }
      return make_error(ErrorCode::kNotFound,
                        "there is no study " + name + "; there are all, " + known);
    }
    studies.push_back(SLUICE_TRY(runtime::load_study(path, presets_folder())));
  }
  return studies;
}

runtime::EvaluationModel evaluation_model(const LoadedModel& model) {
  const bool raw = model.chat_template().empty();
  return {model.file.get(), model.tokenizer.get(),
          [&model, raw](const std::string& text) { return encode_prompt(model, text, raw); }};
}

Result<StudyJobs> jobs_for(const runtime::Study& study, const EvalOptions& options,
                           const LoadedModel& model) {
  const runtime::EvaluationModel asked = evaluation_model(model);
  const auto tokens_of = [&](std::string_view text) {
    return static_cast<std::int64_t>(model.tokenizer->encode(text, {.add_special = false}).size());
  };
  StudyJobs found;
  std::vector<std::vector<runtime::EvaluationItem>> by_task;
  for (const runtime::StudyTask& task : study.tasks) {
    const runtime::TaskRow* row = SLUICE_TRY(runtime::find_task(task.name));
    runtime::ItemRequest request;
    request.data = options.data.empty() ? tasks_folder() : options.data;
    request.count = options.count > 0 ? std::min(options.count, task.count) : task.count;
    request.seed = options.seed;
    request.count_tokens = tokens_of;
    request.lengths = task.lengths;
    request.depths = task.depths;
    request.keys = task.keys;
    auto& items = by_task.emplace_back();
    for (runtime::EvaluationItem& item : SLUICE_TRY(row->items(request))) {
      const auto prompt = SLUICE_TRY(asked.encode_prompt(item.prompt));
      std::int64_t answer = runtime::kOwnTokens;
      for (const std::string& gold : item.answers) answer = std::max(answer, tokens_of(gold));
      const auto wanted =
          static_cast<std::int64_t>(prompt.size()) + tokens_of(item.answer_start) + answer;
      if (wanted > model.file->spec().context_max) {
        ++found.too_long;
      } else {
        items.push_back(std::move(item));
      }
    }
  }
  // The tasks by turns: what a stopped run has is of all of them.
  for (std::size_t i = 0, left = 1; left > 0; ++i) {
    left = 0;
    for (auto& items : by_task) {
      if (i >= items.size()) continue;
      ++left;
      runtime::EvaluationJob job{std::move(items[i]), {}};
      for (const auto& pipeline : study.pipelines) job.pipelines.push_back(pipeline.spec);
      found.jobs.push_back(std::move(job));
    }
  }
  return found;
}

}  // namespace sluice::launch
