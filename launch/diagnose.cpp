// SPDX-License-Identifier: Apache-2.0
#include "launch/diagnose.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>
#include <utility>

#include "kernels/stages/select/bottleneck/bottleneck.hpp"
#include "launch/codec_paths.hpp"
#include "launch/eval_studies.hpp"
#include "launch/rank.hpp"
#include "runtime/evaluation/diagnosis_report.hpp"
#include "runtime/evaluation/layer_losses.hpp"
#include "runtime/evaluation/tasks.hpp"
#include "runtime/model/profile_file.hpp"
#include "runtime/telemetry/progress_bar.hpp"

namespace sluice::launch {
namespace {

// An answer's tokens, at most, and what the template may add.
constexpr std::int64_t kAnswerTokens = 64;
// Of a prompt: what is learnt of layers needs no more, and minutes are to suffice.
constexpr std::int64_t kPromptTokensMax = 1536;
// Items looked at for each that is to fit.
constexpr std::int64_t kItemsLookedAt = 8;
// The tensor that the stage `bottleneck` reads.

// The first ones of each task that fit the model's context.
Result<std::vector<runtime::EvaluationItem>> items_for(const DiagnoseOptions& options,
                                                       const LoadedModel& model,
                                                       const runtime::EvaluationModel& asked) {
  const std::int64_t longest =
      std::min(kPromptTokensMax, model.file->spec().context_max - kAnswerTokens);
  runtime::ItemRequest request;
  request.data = options.data.empty() ? tasks_folder() : options.data;
  request.count = options.items * kItemsLookedAt;
  request.count_tokens = [&](std::string_view text) {
    return static_cast<std::int64_t>(model.tokenizer->encode(text, {.add_special = false}).size());
  };
  std::vector<runtime::EvaluationItem> chosen;
  for (const std::string& name : options.tasks) {
    const runtime::TaskRow* task = SLUICE_TRY(runtime::find_task(name));
    std::int64_t taken = 0;
    for (auto& item : SLUICE_TRY(task->items(request))) {
      if (taken == options.items) break;
      const auto prompt = SLUICE_TRY(asked.encode_prompt(item.prompt));
      if (static_cast<std::int64_t>(prompt.size()) > longest) continue;
      chosen.push_back(std::move(item));
      ++taken;
    }
  }
  if (chosen.empty()) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("no item of these tasks fits the model's context of {} tokens",
                                  model.file->spec().context_max));
  }
  return chosen;
}

// A bar of its own for each round of measuring.
class Progress {
 public:
  explicit Progress(std::string label) : label_(std::move(label)) {}

  void update(std::int64_t done, std::int64_t total) {
    if (!bar_) {
      bar_ = std::make_unique<runtime::ProgressBar>(
          std::cerr, runtime::ProgressOptions{.label = label_,
                                              .total = total,
                                              .unit = runtime::ProgressUnit::kCount,
                                              .is_terminal = runtime::stderr_is_terminal()});
    }
    bar_->update(done);
  }

 private:
  const std::string label_;
  std::unique_ptr<runtime::ProgressBar> bar_;
};

Result<std::vector<runtime::DiagnosedLayers>> measure(
    const DiagnoseOptions& options, std::span<const runtime::EvaluationItem> items,
    const runtime::EvaluationModel& model) {
  std::vector<runtime::LayerLosses> losses;
  {
    Progress bar("quantizing layer by layer");
    losses = SLUICE_TRY(runtime::measure_layer_losses(
        items, model, options.bits,
        {options.threads,
         [&](std::int64_t done, std::int64_t total) { bar.update(done, total); },
         {}}));
  }
  std::vector<runtime::DiagnosedLayers> diagnosed;
  for (auto& width : losses) {
    runtime::Diagnosis diagnosis = runtime::diagnose_layers(width);
    std::vector<runtime::ItemLosses> exact;
    if (!diagnosis.standing_out.empty()) {
      Progress bar(
          fmt::format("checking {} layers at {} bits", diagnosis.standing_out.size(), width.bits));
      exact = SLUICE_TRY(runtime::measure_exact_layers(
          items, model, width.bits, diagnosis.standing_out,
          {options.threads,
           [&](std::int64_t done, std::int64_t total) { bar.update(done, total); },
           {}}));
    }
    runtime::decide_fragile(width, exact, diagnosis);
    diagnosed.push_back({std::move(width), std::move(diagnosis)});
  }
  return diagnosed;
}

Status write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return {};
  return make_error(ErrorCode::kUnavailable,
                    "cannot write " + path.string() + ": " + std::strerror(errno));
}

Status make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return {};
  return make_error(ErrorCode::kUnavailable,
                    "cannot make the folder " + folder.string() + ": " + error.message());
}

// An empty one where there is none yet.
Result<kernels::Profile> profile_at(const std::filesystem::path& path, std::uint64_t fingerprint) {
  auto profile = runtime::load_profile(path, fingerprint);
  if (profile || profile.error().code != ErrorCode::kNotFound) return profile;
  kernels::Profile fresh;
  fresh.model_fingerprint = fingerprint;
  return fresh;
}

// What the profile holds beside it stays.
Status write_fragile(const std::filesystem::path& path, std::uint64_t fingerprint,
                     const std::vector<std::int32_t>& layers) {
  auto profile = SLUICE_TRY(profile_at(path, fingerprint));
  profile.put(kernels::kFragileLayers, DType::kI32, {static_cast<std::int64_t>(layers.size())},
              std::as_bytes(std::span(layers)));
  return runtime::save_profile(path, profile);
}

Status diagnose(const DiagnoseOptions& options) {
  runtime::ClusterConfig config;
  config.model.path = options.model;
  const LoadedModel model = SLUICE_TRY(load_model(config));
  const runtime::EvaluationModel asked = evaluation_model(model);
  runtime::DiagnosisSubject subject;
  subject.model = model.file->spec().name;
  subject.fingerprint = fmt::format("{:016x}", model.file->fingerprint());
  subject.items = SLUICE_TRY(items_for(options, model, asked));
  const std::uint64_t fingerprint = model.file->fingerprint();
  const auto profile =
      options.profile.empty() ? default_profile_path(fingerprint) : options.profile;
  // Before minutes of work, not after.
  if (options.write) SLUICE_TRY(profile_at(profile, fingerprint));
  SLUICE_TRY(make_folder(options.output));
  const auto diagnosed = SLUICE_TRY(measure(options, subject.items, asked));
  for (std::size_t i = 0; i < diagnosed.size(); ++i) {
    std::cout << runtime::diagnosis_table(diagnosed[i]) << '\n';
    SLUICE_TRY(write_file(options.output / runtime::diagnosis_picture_name(diagnosed, i),
                          runtime::diagnosis_picture(diagnosed[i])));
  }
  SLUICE_TRY(
      write_file(options.output / "diagnosis.json", runtime::diagnosis_json(subject, diagnosed)));
  SLUICE_TRY(write_file(options.output / "diagnosis.md",
                        runtime::diagnosis_markdown(subject, diagnosed, ".")));
  std::cout << "written: " << (options.output / "diagnosis.json").string()
            << ", diagnosis.md, diagnosis.svg\n";
  if (!options.write) return {};
  SLUICE_TRY(write_fragile(profile, fingerprint, diagnosed.front().diagnosis.fragile));
  std::cout << profile.string() << ": " << kernels::kFragileLayers << " of " << options.bits.front()
            << " bits\n";
  return {};
}

}  // namespace

void add_diagnose(CLI::App& app, DiagnoseOptions& options, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "diagnose",
      "Find the layers that quantization hurts most, by quantizing each alone and all but it");
  command->add_option("model", options.model, "'default', a .gguf file, or a model folder")
      ->required();
  command
      ->add_option("--bits", options.bits,
                   "Of the quantization; the first one's fragile layers go into the profile")
      ->delimiter(',')
      ->check(CLI::Range(2, 8))
      ->capture_default_str();
  command->add_option("--tasks", options.tasks, "What the model is asked")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--items", options.items, "Of each task")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--data", options.data,
                      "A folder with the data sets' files, if not the slices that come along");
  command->add_option("--output", options.output, "A folder for the report")->capture_default_str();
  command->add_option("--profile", options.profile,
                      "The profile to write to, if not where others look for it");
  command->add_flag("--write,!--no-write", options.write,
                    "Whether the profile gets the fragile layers (yes)");
  command->add_option("--threads", options.threads, "0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->callback([&options, &chosen] {
    chosen = [&options] {
      const Status done = diagnose(options);
      if (done) return 0;
      print_error(done.error());
      return 1;
    };
  });
}

}  // namespace sluice::launch
