// SPDX-License-Identifier: Apache-2.0
#include "launch/profile.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <system_error>
#include <utility>

#include "launch/codec_calibrate.hpp"
#include "launch/codec_paths.hpp"
#include "launch/prompt_text.hpp"
#include "launch/rank.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/config/level_table_file.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/evaluation/evaluator.hpp"
#include "runtime/evaluation/level_profile.hpp"
#include "runtime/evaluation/level_speed.hpp"
#include "runtime/evaluation/tasks.hpp"
#include "runtime/telemetry/progress_bar.hpp"

namespace sluice::launch {
namespace {

// What a scheduler may choose from unless told otherwise, as far as there are such presets; with
// all whose name begins with "best".
constexpr const char* kCandidates[] = {"raw", "int8", "fp8", "int4", "kivi4", "kvtc", "cachegen"};
constexpr std::string_view kBest = "best";
// Contexts for questions to them, and short prompts, which pay for headers.
constexpr const char* kTasks[] = {"squad", "triviaqa", "hotpotqa", "needle", "mmlu"};
constexpr std::int64_t kPromptTokensMax = 1536;  // minutes are to suffice
constexpr std::int64_t kAnswerTokens = 64;       // and what the template may add
constexpr std::int64_t kItemsLookedAt = 8;       // for each that is to fit
constexpr std::int64_t kNeedleTokens[] = {512, 1024};
// Of the prompt that is encoded and decoded for the time it takes.
constexpr std::int64_t kTimedTokens = 2048;
constexpr std::int64_t kTimedQuestionTokens = 16;

Result<std::vector<kernels::PipelineSpec>> candidates(const ProfileOptions& options) {
  std::vector<std::string> names = options.levels;
  if (names.empty()) {
    for (const std::string& preset : runtime::preset_names(presets_folder())) {
      const bool is_candidate = preset.starts_with(kBest) ||
                                std::find(std::begin(kCandidates), std::end(kCandidates), preset) !=
                                    std::end(kCandidates);
      if (is_candidate) names.push_back(preset);
    }
  }
  std::vector<kernels::PipelineSpec> specs;
  for (const std::string& name : names) {
    auto spec = SLUICE_TRY(runtime::find_preset(name, presets_folder()));
    const bool is_twice = std::any_of(specs.begin(), specs.end(),
                                      [&](const auto& other) { return other.name == spec.name; });
    if (!is_twice) specs.push_back(std::move(spec));
  }
  return specs;
}

runtime::EvaluationModel evaluation_model(const LoadedModel& model) {
  // A model without a chat template reads the items as they are.
  const bool raw = model.chat_template().empty();
  return {model.file.get(), model.tokenizer.get(),
          [&model, raw](const std::string& text) { return encode_prompt(model, text, raw); }};
}

struct Prompts {
  std::vector<runtime::EvaluationItem> items;
  double mean_tokens = 0.0;
  std::vector<runtime::TokenId> long_prompt;  // kTimedTokens of them, if the context is as long
};

// Items that fit the model's context, as many of each task; and their texts together as one prompt.
Result<Prompts> prompts_of(const ProfileOptions& options, const LoadedModel& model,
                           const runtime::EvaluationModel& asked) {
  const std::int64_t context = model.file->spec().context_max;
  const std::int64_t longest = std::min(kPromptTokensMax, context - kAnswerTokens);
  runtime::ItemRequest request;
  request.data = options.data.empty() ? tasks_folder() : options.data;
  request.lengths.assign(std::begin(kNeedleTokens), std::end(kNeedleTokens));
  request.count_tokens = [&](std::string_view text) {
    return static_cast<std::int64_t>(model.tokenizer->encode(text, {.add_special = false}).size());
  };
  Prompts prompts;
  std::string together;
  const auto tasks = static_cast<std::int64_t>(std::size(kTasks));
  for (std::int64_t i = 0; i < tasks; ++i) {
    const std::int64_t wanted = (options.items + tasks - 1 - i) / tasks;
    if (wanted == 0) continue;
    const runtime::TaskRow* task = SLUICE_TRY(runtime::find_task(kTasks[i]));
    request.count = wanted * kItemsLookedAt;
    std::int64_t taken = 0;
    for (auto& item : SLUICE_TRY(task->items(request))) {
      if (taken == wanted) break;
      const auto prompt = SLUICE_TRY(asked.encode_prompt(item.prompt));
      const auto tokens = static_cast<std::int64_t>(prompt.size());
      if (tokens > longest) continue;
      prompts.mean_tokens += static_cast<double>(tokens);
      together += item.prompt + "\n\n";
      prompts.items.push_back(std::move(item));
      ++taken;
    }
  }
  if (prompts.items.empty()) {
    return make_error(
        ErrorCode::kInvalidArgument,
        fmt::format("no item of the tasks fits the model's context of {} tokens", context));
  }
  prompts.mean_tokens /= static_cast<double>(prompts.items.size());
  while (together.size() < 16 * kTimedTokens) together += together;
  prompts.long_prompt = SLUICE_TRY(asked.encode_prompt(together));
  prompts.long_prompt.resize(std::min(prompts.long_prompt.size(),
                                      static_cast<std::size_t>(std::min(kTimedTokens, context))));
  return prompts;
}

// Outcomes are kept beside the table: what was measured once is not measured again.
Result<std::vector<runtime::Outcome>> measure_losses(
    const ProfileOptions& options, const std::filesystem::path& table,
    const std::vector<kernels::PipelineSpec>& specs, const Prompts& prompts,
    const runtime::EvaluationModel& model, std::shared_ptr<const kernels::Profile> profile) {
  std::vector<runtime::EvaluationJob> jobs;
  for (const runtime::EvaluationItem& item : prompts.items) jobs.push_back({item, specs});
  auto kept = table;
  kept.replace_extension(".outcomes.jsonl");
  std::error_code error;
  if (kept.has_parent_path()) std::filesystem::create_directories(kept.parent_path(), error);
  if (options.fresh) std::filesystem::remove(kept, error);
  auto file = SLUICE_TRY(runtime::OutcomeFile::open(kept));
  runtime::ProgressBar bar(std::cerr,
                           {.label = "measuring losses",
                            .total = static_cast<std::int64_t>(jobs.size() * (specs.size() + 1)),
                            .unit = runtime::ProgressUnit::kCount,
                            .is_terminal = runtime::stderr_is_terminal()});
  runtime::EvaluationOptions how;
  how.threads = options.threads;
  how.profile = std::move(profile);
  how.progress = [&bar](std::int64_t done, std::int64_t) { bar.update(done); };
  return runtime::evaluate(jobs, model, how, file);
}

struct Times {
  std::vector<runtime::LevelCost> levels;
  double prefill_s_per_token = 0.0;
  double decode_s_per_output_token = 0.0;
};

// After all else, for nothing else is to run meanwhile.
Result<Times> measure_times(const ProfileOptions& options,
                            const std::vector<kernels::PipelineSpec>& specs, const Prompts& prompts,
                            const runtime::ModelFile& model,
                            const std::shared_ptr<const kernels::Profile>& profile) {
  runtime::ProgressBar bar(std::cerr, {.label = "measuring times",
                                       .total = static_cast<std::int64_t>(specs.size() + 1),
                                       .unit = runtime::ProgressUnit::kCount,
                                       .is_terminal = runtime::stderr_is_terminal()});
  const auto engine_options = SLUICE_TRY(runtime::engine_options("cpu", "auto", options.threads));
  const auto prefill = SLUICE_TRY(runtime::PrefillEngine::create(model, engine_options, {}));
  const auto cache = SLUICE_TRY(runtime::prefill_cache(*prefill, model, prompts.long_prompt, {}));
  Times times;
  const auto mean = static_cast<std::size_t>(std::max(prompts.mean_tokens, 1.0));
  times.prefill_s_per_token = SLUICE_TRY(runtime::measure_prefill_s_per_token(
      *prefill, std::span(prompts.long_prompt).first(std::min(mean, prompts.long_prompt.size()))));
  const auto decode = SLUICE_TRY(runtime::DecodeEngine::create(model, engine_options));
  times.decode_s_per_output_token = SLUICE_TRY(runtime::measure_decode_s_per_token(*decode, cache));
  std::int64_t done = 0;
  bar.update(++done);
  runtime::CacheEncoding encoding;
  encoding.question_tokens = kTimedQuestionTokens;
  for (const kernels::PipelineSpec& spec : specs) {
    const auto pipeline = SLUICE_TRY(kernels::Pipeline::create(spec, cache.shape(), profile));
    const auto speed =
        SLUICE_TRY(runtime::measure_codec_speed(cache, *pipeline, profile, encoding));
    times.levels.push_back({spec.name, runtime::pipeline_hash(spec), speed.encode_s_per_token,
                            speed.decode_s_per_token, pipeline->is_streaming()});
    bar.update(++done);
  }
  return times;
}

// Whether there is a table, and it is of this profile.
bool is_there(const std::filesystem::path& path, std::uint64_t model_fingerprint,
              std::uint64_t profile_hash) {
  const auto table = runtime::load_level_table(path, model_fingerprint);
  return table && table->profile_hash == profile_hash;
}

Status profile(const ProfileOptions& options) {
  const auto specs = SLUICE_TRY(candidates(options));
  runtime::ClusterConfig config;
  config.model.path = options.model;
  const LoadedModel model = SLUICE_TRY(load_model(config));
  const kernels::CacheShape shape = runtime::cache_shape_of(*model.file);
  // For all presets: a profile of some would be in the way of the others.
  CodecOptions calibration;
  calibration.if_missing = true;
  if (options.levels.empty() || needs_calibration(specs, shape)) {
    SLUICE_TRY(calibrate(model, calibration));
  }
  const auto tensors = SLUICE_TRY(open_profile({}, shape.model_fingerprint));
  const std::uint64_t profile_hash = tensors == nullptr ? 0 : tensors->hash();
  const auto path =
      options.output.empty() ? default_levels_path(shape.model_fingerprint) : options.output;
  if (options.if_missing && is_there(path, shape.model_fingerprint, profile_hash)) {
    std::cout << path.string() << ": there already\n";
    return {};
  }
  const auto asked = evaluation_model(model);
  const Prompts prompts = SLUICE_TRY(prompts_of(options, model, asked));
  const auto outcomes = SLUICE_TRY(measure_losses(options, path, specs, prompts, asked, tensors));
  const Times times = SLUICE_TRY(measure_times(options, specs, prompts, *model.file, tensors));

  scheduler::LevelTable table;
  table.model_fingerprint = shape.model_fingerprint;
  table.profile_hash = profile_hash;
  table.items = static_cast<std::int64_t>(prompts.items.size());
  table.raw_bytes_per_token =
      static_cast<double>(shape.layers * shape.kv_heads * shape.head_dim * 4);
  table.prefill_s_per_token = times.prefill_s_per_token;
  table.decode_s_per_output_token = times.decode_s_per_output_token;
  auto levels = runtime::levels_of(times.levels, outcomes);
  table.levels = scheduler::efficient_levels(levels);
  SLUICE_TRY(runtime::save_level_table(path, table));
  std::stable_sort(levels.begin(), levels.end(), [](const auto& a, const auto& b) {
    return a.bytes_per_token > b.bytes_per_token;
  });
  std::cout << runtime::level_table_text(levels, table.levels, table.raw_bytes_per_token)
            << fmt::format(
                   "{} prompts of {:.0f} tokens on average; prefill {:.0f} tokens/s, decode {:.0f} "
                   "tokens/s; {} of {} levels kept\n",
                   table.items, prompts.mean_tokens, 1.0 / table.prefill_s_per_token,
                   1.0 / table.decode_s_per_output_token, table.levels.size(), levels.size())
            << path.string() << '\n';
  return {};
}

}  // namespace

void add_profile(CLI::App& app, ProfileOptions& options, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "profile", "Learn and measure all that compression and scheduling need to know of a model");
  command->add_option("model", options.model, "'default', a .gguf file, or a model folder")
      ->required();
  command->add_option("--levels", options.levels,
                      "Presets to measure, if not those that a scheduler would choose from");
  command->add_option("--items", options.items, "Prompts to measure losses on, of all tasks")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--data", options.data,
                      "A folder with the tasks' data sets, if not the parts that come along");
  command->add_option("--output", options.output,
                      "The table of levels, if not where the scheduler looks for it");
  command->add_option("--threads", options.threads, "0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_flag("--if-missing", options.if_missing,
                    "Only where there is no table yet of the model's profile");
  command->add_flag("--fresh", options.fresh, "Measure anew what was measured before");
  command->callback([&options, &chosen] {
    chosen = [&options] {
      const Status done = profile(options);
      if (done) return 0;
      print_error(done.error());
      return 1;
    };
  });
}

}  // namespace sluice::launch
