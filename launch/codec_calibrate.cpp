// SPDX-License-Identifier: Apache-2.0
#include "launch/codec_calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <utility>
#include <vector>

#include "launch/codec_paths.hpp"
#include "launch/prompt_text.hpp"
#include "launch/rank.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/model/profile_file.hpp"
#include "runtime/telemetry/progress_bar.hpp"

namespace sluice::launch {
namespace {

// Of one cache: long enough for what position does to keys, short enough for any model's context.
constexpr std::size_t kPassageTokens = 1024;

// The texts' tokens in passages, each computed from its own beginning.
Result<std::vector<std::vector<runtime::TokenId>>> passages(const LoadedModel& model,
                                                            const CodecOptions& options) {
  std::vector<std::filesystem::path> texts = options.texts;
  if (texts.empty()) texts.push_back(calibration_text());
  const auto longest =
      std::min(kPassageTokens, static_cast<std::size_t>(model.file->spec().context_max));
  std::vector<std::vector<runtime::TokenId>> passages;
  for (const auto& path : texts) {
    const std::string text = SLUICE_TRY(read_prompt(path));
    const auto tokens = SLUICE_TRY(encode_prompt(model, text, true));
    for (std::size_t first = 0; first < tokens.size(); first += longest) {
      const std::size_t last = std::min(first + longest, tokens.size());
      passages.emplace_back(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                            tokens.begin() + static_cast<std::ptrdiff_t>(last));
    }
  }
  return passages;
}

Result<std::vector<kernels::PipelineSpec>> chosen_pipelines(const CodecOptions& options) {
  std::vector<std::string> names = options.pipelines;
  if (names.empty()) names = runtime::preset_names(presets_folder());
  std::vector<kernels::PipelineSpec> specs;
  for (const std::string& name : names) {
    specs.push_back(SLUICE_TRY(runtime::find_pipeline(name, presets_folder())));
  }
  return specs;
}

}  // namespace

Status calibrate(const CodecOptions& options) {
  const auto specs = SLUICE_TRY(chosen_pipelines(options));
  runtime::ClusterConfig config;
  config.model.path = options.model;
  const LoadedModel model = SLUICE_TRY(load_model(config));
  const auto prompts = SLUICE_TRY(passages(model, options));
  const auto engine_options = SLUICE_TRY(runtime::engine_options("cpu", "auto", 0));
  const auto engine = SLUICE_TRY(runtime::PrefillEngine::create(*model.file, engine_options, {}));

  runtime::ProgressBar bar(std::cerr,
                           {.label = "calibrating",
                            .total = static_cast<std::int64_t>(prompts.size() + specs.size()),
                            .unit = runtime::ProgressUnit::kCount,
                            .is_terminal = runtime::stderr_is_terminal()});
  std::int64_t done = 0;
  std::vector<runtime::DumpedCache> caches;
  for (const auto& prompt : prompts) {
    caches.push_back(SLUICE_TRY(runtime::prefill_cache(*engine, *model.file, prompt, {})));
    bar.update(++done);
  }
  const kernels::CacheShape shape = runtime::cache_shape_of(*model.file);
  kernels::Profile profile;
  profile.model_fingerprint = shape.model_fingerprint;
  for (const kernels::PipelineSpec& spec : specs) {
    std::vector<kernels::CalibrationCache> inputs;
    const kernels::ScoreNeeds needs = SLUICE_TRY(kernels::score_needs_of(spec));
    for (const runtime::DumpedCache& cache : caches) {
      kernels::CalibrationCache input{cache.all_pages(), cache.tokens(), {}};
      if (needs.any()) input.scores = SLUICE_TRY(runtime::scores_of(cache, needs, 0));
      inputs.push_back(std::move(input));
    }
    if (const Status learnt = kernels::calibrate(spec, shape, inputs, profile); !learnt) {
      return make_error(learnt.error().code,
                        "pipeline '" + spec.name + "': " + learnt.error().message);
    }
    bar.update(++done);
  }
  bar.finish();
  const auto path =
      options.output.empty() ? default_profile_path(shape.model_fingerprint) : options.output;
  SLUICE_TRY(runtime::save_profile(path, profile));
  std::cout << fmt::format("{}: {} tensors, from {} passages\n", path.string(),
                           profile.names().size(), prompts.size());
  return {};
}

}  // namespace sluice::launch
