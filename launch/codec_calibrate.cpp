// SPDX-License-Identifier: Apache-2.0
#include "launch/codec_calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/pipeline/pipeline.hpp"
#include "kernels/stages/select/bottleneck/bottleneck.hpp"
#include "launch/codec_paths.hpp"
#include "launch/prompt_text.hpp"
#include "launch/rank.hpp"
#include "runtime/codec/calibration_text.hpp"
#include "runtime/codec/own_text.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/error_weights.hpp"
#include "runtime/model/half_tensors.hpp"
#include "runtime/model/profile_file.hpp"
#include "runtime/telemetry/progress_bar.hpp"

namespace sluice::launch {
namespace {

// A text without passages is cut: long enough for what position does to keys, short enough for any
// model's context.
constexpr std::size_t kCutTokens = 1024;
// Continuations to measure what errors cost: as many tokens, from these shares of a prompt on.
constexpr std::size_t kContinuationTokens = 32;
constexpr double kContinuationsFrom[] = {0.4, 0.75};

// Of a text that the model writes: the beginning that it is given, for the first text of a lesson;
// then what it adds.
constexpr std::size_t kBeginningTokens = 64;
constexpr std::size_t kOwnTokens = 512;

struct Lesson {
  std::vector<runtime::TokenId> prompt;
  std::vector<runtime::TokenId> answer;
};

Result<std::vector<Lesson>> lessons_of(const LoadedModel& model, const CodecOptions& options) {
  std::vector<std::filesystem::path> texts = options.texts;
  if (texts.empty()) texts.push_back(calibration_text());
  // A model without a chat template reads the passages as they are.
  const bool raw = model.chat_template().empty();
  const auto longest = static_cast<std::size_t>(model.file->spec().context_max);
  std::vector<Lesson> lessons;
  for (const auto& path : texts) {
    const std::string text = SLUICE_TRY(read_prompt(path));
    auto passages = runtime::parse_passages(text);
    if (!passages) {
      return make_error(passages.error().code, path.string() + ": " + passages.error().message);
    }
    for (const runtime::Passage& passage : *passages) {
      if (passage.question.empty()) {
        const auto tokens = SLUICE_TRY(encode_prompt(model, passage.text, true));
        for (std::size_t first = 0; first < tokens.size(); first += kCutTokens) {
          const std::size_t last = std::min({first + kCutTokens, first + longest, tokens.size()});
          lessons.push_back({{tokens.begin() + static_cast<std::ptrdiff_t>(first),
                              tokens.begin() + static_cast<std::ptrdiff_t>(last)},
                             {}});
        }
        continue;
      }
      const std::string prompt = passage.text + "\n\n" + passage.question;
      Lesson lesson{SLUICE_TRY(encode_prompt(model, prompt, raw)),
                    model.tokenizer->encode(passage.answer, {.add_special = false})};
      if (lesson.prompt.size() + lesson.answer.size() <= longest) lessons.push_back(lesson);
    }
  }
  if (lessons.empty()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "no passage of the texts fits the model's context");
  }
  if (options.passages_max > 0) {
    lessons.resize(std::min(lessons.size(), static_cast<std::size_t>(options.passages_max)));
  }
  return lessons;
}

// Beginnings of the lessons, and what the model goes on with: more text than comes along.
Status add_own_texts(const LoadedModel& model, std::int64_t count, runtime::PrefillEngine& prefill,
                     std::vector<Lesson>& lessons) {
  if (count == 0) return {};
  const auto context = static_cast<std::size_t>(model.file->spec().context_max);
  std::vector<std::vector<runtime::TokenId>> beginnings;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const auto& prompt = lessons[i % lessons.size()].prompt;
    const std::size_t tokens = kBeginningTokens * (1 + i / lessons.size());
    beginnings.emplace_back(prompt.begin(),
                            prompt.begin() + static_cast<std::ptrdiff_t>(
                                                 std::min({tokens, prompt.size(), context / 2})));
  }
  const auto engine_options = SLUICE_TRY(runtime::engine_options("cpu", "auto", 0));
  const auto decode = SLUICE_TRY(runtime::DecodeEngine::create(*model.file, engine_options));
  runtime::OwnTextOptions options;
  options.tokens = static_cast<std::int64_t>(std::min(kOwnTokens, context / 2));
  const auto ends = model.tokenizer->end_of_text();
  options.never = ends;
  runtime::ProgressBar bar(std::cerr, {.label = "writing texts",
                                       .total = options.tokens,
                                       .unit = runtime::ProgressUnit::kCount,
                                       .is_terminal = runtime::stderr_is_terminal()});
  options.progress = [&bar](std::int64_t done) { bar.update(done); };
  for (auto& text : SLUICE_TRY(runtime::own_texts(beginnings, prefill, *decode, options))) {
    lessons.push_back({std::move(text), {}});
  }
  return {};
}

// What the answer and parts of the prompt itself say of errors before them.
Status observe_errors(runtime::ErrorWeightMeter& meter, const Lesson& lesson,
                      const runtime::DumpedCache& cache, std::uint64_t seed) {
  const std::span<const runtime::TokenId> prompt = lesson.prompt;
  const auto pages = cache.all_pages();
  for (const double share : kContinuationsFrom) {
    const auto from = static_cast<std::size_t>(share * static_cast<double>(prompt.size()));
    const std::size_t count = std::min(kContinuationTokens, prompt.size() - from);
    if (from < kContinuationTokens) continue;
    SLUICE_TRY(
        meter.observe(pages, static_cast<std::int64_t>(from), prompt.subspan(from, count), seed++));
  }
  if (lesson.answer.empty() || prompt.size() < kContinuationTokens) return {};
  std::vector<runtime::TokenId> answer{prompt.back()};
  answer.insert(answer.end(), lesson.answer.begin(), lesson.answer.end());
  return meter.observe(pages, static_cast<std::int64_t>(prompt.size()) - 1, answer, seed);
}

void put_error_weights(const runtime::ErrorWeights& weights, std::int64_t width,
                       kernels::Profile& profile) {
  for (const bool is_key : {true, false}) {
    const auto& matrices = is_key ? weights.key : weights.value;
    for (std::size_t layer = 0; layer < matrices.size(); ++layer) {
      profile.put(kernels::profile_name("fisher", is_key, static_cast<std::int64_t>(layer)),
                  DType::kF32, {width, width}, std::as_bytes(std::span(matrices[layer])));
    }
  }
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

// Whether nothing that the pipeline asks of the profile is missing.
bool is_served(const kernels::PipelineSpec& spec, const kernels::CacheShape& shape,
               const std::shared_ptr<const kernels::Profile>& profile) {
  return kernels::Pipeline::create(spec, shape, profile).has_value();
}

bool are_all_served(const std::vector<kernels::PipelineSpec>& specs,
                    const kernels::CacheShape& shape,
                    const std::shared_ptr<const kernels::Profile>& profile) {
  return std::all_of(specs.begin(), specs.end(), [&](const kernels::PipelineSpec& spec) {
    return is_served(spec, shape, profile);
  });
}

// "best@8" where "best" has left it nothing to learn.
bool is_taught(const kernels::PipelineSpec& spec, const kernels::CacheShape& shape,
               const kernels::Profile& profile) {
  return kernels::calibrated_name(spec.name) != spec.name &&
         is_served(spec, shape, std::make_shared<const kernels::Profile>(profile));
}

// What `sluice diagnose` put into the profile that is replaced: it is of the model, and no stage
// learns it.
void keep_diagnosis(const std::filesystem::path& path, kernels::Profile& profile) {
  const auto before = runtime::load_profile(path, profile.model_fingerprint);
  if (!before) return;
  const auto fragile = before->find(kernels::kFragileLayers);
  if (!fragile || fragile->dtype != DType::kI32) return;
  profile.put(kernels::kFragileLayers, DType::kI32, {fragile->elements()},
              Bytes(fragile->data, fragile->bytes()));
}

}  // namespace

bool needs_calibration(const std::vector<kernels::PipelineSpec>& specs,
                       const kernels::CacheShape& shape) {
  const auto profile = open_profile({}, shape.model_fingerprint);
  return !profile || !are_all_served(specs, shape, *profile);
}

Status calibrate(const CodecOptions& options) {
  runtime::ClusterConfig config;
  config.model.path = options.model;
  const LoadedModel model = SLUICE_TRY(load_model(config));
  return calibrate(model, options);
}

Status calibrate(const LoadedModel& model, const CodecOptions& options) {
  const auto specs = SLUICE_TRY(chosen_pipelines(options));
  const kernels::CacheShape shape = runtime::cache_shape_of(*model.file);
  const auto path =
      options.output.empty() ? default_profile_path(shape.model_fingerprint) : options.output;
  const auto kept = runtime::load_profile(path, shape.model_fingerprint);
  if (options.if_missing && kept &&
      are_all_served(specs, shape, std::make_shared<const kernels::Profile>(*kept))) {
    std::cout << path.string() << ": there already\n";
    return {};
  }
  auto lessons = SLUICE_TRY(lessons_of(model, options));
  const auto engine_options = SLUICE_TRY(runtime::engine_options("cpu", "auto", 0));
  const auto engine = SLUICE_TRY(runtime::PrefillEngine::create(*model.file, engine_options, {}));
  SLUICE_TRY(add_own_texts(model, options.samples, *engine, lessons));
  const auto meter = SLUICE_TRY(runtime::ErrorWeightMeter::create(*model.file));

  runtime::ProgressBar bar(std::cerr,
                           {.label = "calibrating",
                            .total = static_cast<std::int64_t>(lessons.size() + specs.size()),
                            .unit = runtime::ProgressUnit::kCount,
                            .is_terminal = runtime::stderr_is_terminal()});
  std::int64_t done = 0;
  std::vector<runtime::DumpedCache> caches;
  for (const Lesson& lesson : lessons) {
    caches.push_back(SLUICE_TRY(runtime::prefill_cache(*engine, *model.file, lesson.prompt, {})));
    // Seeds apart for what is drawn apart.
    const auto seed = static_cast<std::uint64_t>(done) * 16;
    SLUICE_TRY(observe_errors(*meter, lesson, caches.back(), seed));
    bar.update(++done);
  }
  kernels::Profile profile;
  profile.model_fingerprint = shape.model_fingerprint;
  put_error_weights(SLUICE_TRY(meter->finish()), model.file->spec().kv_width(), profile);
  for (const kernels::PipelineSpec& spec : specs) {
    if (is_taught(spec, shape, profile)) {
      bar.update(++done);
      continue;
    }
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
  // Stages have learnt from them; nobody decodes with them.
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    profile.erase(kernels::profile_name("fisher", true, layer));
    profile.erase(kernels::profile_name("fisher", false, layer));
  }
  runtime::round_to_halves(profile);
  keep_diagnosis(path, profile);
  SLUICE_TRY(runtime::save_profile(path, profile));
  std::cout << fmt::format("{}: {} tensors, from {} prompts\n", path.string(),
                           profile.names().size(), lessons.size());
  return {};
}

}  // namespace sluice::launch
