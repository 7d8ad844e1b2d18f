// SPDX-License-Identifier: Apache-2.0
#include "launch/eval.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <iostream>
#include <memory>
#include <system_error>
#include <utility>

#include "launch/codec_paths.hpp"
#include "launch/eval_deltas.hpp"
#include "launch/eval_report.hpp"
#include "launch/eval_studies.hpp"
#include "launch/rank.hpp"
#include "launch/signals.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/evaluation/tasks.hpp"
#include "runtime/telemetry/progress_bar.hpp"

namespace sluice::launch {
namespace {

constexpr const char* kOutcomes = "outcomes.jsonl";

using ProfilePointer = std::shared_ptr<const kernels::Profile>;

Result<runtime::OutcomeFile> open_outcomes(const EvalOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.output, error);
  if (error) {
    return make_error(ErrorCode::kUnavailable,
                      "cannot make the folder " + options.output.string() + ": " + error.message());
  }
  const auto path = options.output / kOutcomes;
  if (options.fresh) std::filesystem::remove(path, error);
  return runtime::OutcomeFile::open(path);
}

// The bar's first figure is how much the file already had.
class Progress {
 public:
  void update(std::int64_t done, std::int64_t total) {
    if (!bar_) {
      if (done > 0) std::cerr << done << " of " << total << " measurements are there already\n";
      before_ = done;
      if (done == total) return;
      bar_ = std::make_unique<runtime::ProgressBar>(
          std::cerr, runtime::ProgressOptions{.label = "measuring",
                                              .total = total - done,
                                              .unit = runtime::ProgressUnit::kCount,
                                              .is_terminal = runtime::stderr_is_terminal()});
    }
    bar_->update(done - before_);
  }

 private:
  std::int64_t before_ = 0;
  std::unique_ptr<runtime::ProgressBar> bar_;
};

EvalSubject subject_of(const EvalOptions& options, const LoadedModel& model) {
  EvalSubject subject;
  subject.model = model.file->spec().name;
  subject.fingerprint = fmt::format("{:016x}", model.file->fingerprint());
  subject.data = options.data.empty()
                     ? "the small slices that come with Sluice"
                     : "the folder " + (options.data / "").parent_path().filename().string();
  if (options.data.empty()) {
    subject.notes.push_back(
        "The slices hold a dozen questions a task: they say whether something is broken, not how "
        "good it is. `--data` names a folder with the whole data sets' files.");
  }
  subject.notes.push_back(
      "A small model answers few questions right with its full cache too: what counts is the score "
      "beside the full cache's, the likelihood of the right answer, and the divergence.");
  return subject;
}

// Each study's share of what was measured for all of them, in the order of their jobs.
std::vector<EvaluatedStudy> share_out(std::vector<runtime::Study> studies,
                                      const std::vector<StudyJobs>& jobs,
                                      const std::vector<runtime::Outcome>& outcomes) {
  std::vector<EvaluatedStudy> evaluated;
  auto next = outcomes.begin();
  for (std::size_t i = 0; i < studies.size(); ++i) {
    std::vector<runtime::Outcome> share;
    for (const auto& job : jobs[i].jobs) {
      // A report alone may lack some.
      const auto take = [&](const std::string& pipeline) {
        if (next == outcomes.end() || next->pipeline != pipeline || next->task != job.item.task ||
            next->item != job.item.id) {
          return;
        }
        share.push_back(*next++);
      };
      take(runtime::kFullCache);
      for (const auto& pipeline : job.pipelines) take(pipeline.name);
    }
    evaluated.push_back({std::move(studies[i]), std::move(share)});
  }
  return evaluated;
}

Result<std::vector<runtime::Outcome>> measure(const EvalOptions& options, const LoadedModel& model,
                                              const ProfilePointer& profile,
                                              const std::vector<StudyJobs>& jobs) {
  std::vector<runtime::EvaluationJob> all;
  for (const StudyJobs& of_study : jobs) {
    all.insert(all.end(), of_study.jobs.begin(), of_study.jobs.end());
  }
  if (all.empty()) {
    return make_error(ErrorCode::kInvalidArgument, "there is no item that fits the model");
  }
  runtime::OutcomeFile file = SLUICE_TRY(open_outcomes(options));
  std::atomic<bool> is_cancelled = false;
  const SignalWatch signals([&](int) { is_cancelled = true; });
  Progress progress;
  runtime::EvaluationOptions how;
  how.threads = options.threads;
  how.profile = profile;
  how.progress = [&](std::int64_t done, std::int64_t total) { progress.update(done, total); };
  how.is_cancelled = [&] { return is_cancelled.load(); };
  how.is_report_only = options.report_only;
  return runtime::evaluate(all, evaluation_model(model), how, file);
}

// A smoke test does without what nobody has calibrated; others are told how to.
void drop_uncalibrated(runtime::Study& study, const LoadedModel& model,
                       const ProfilePointer& profile, EvalSubject& subject) {
  const auto shape = runtime::cache_shape_of(*model.file);
  std::erase_if(study.pipelines, [&](const runtime::StudyPipeline& pipeline) {
    const auto made = kernels::Pipeline::create(pipeline.spec, shape, profile);
    if (made || made.error().code != ErrorCode::kNotFound) return false;
    subject.notes.push_back("Left out: " + pipeline.spec.name + ": " + made.error().message + ".");
    std::cerr << subject.notes.back() << '\n';
    return true;
  });
}

Status eval(const EvalOptions& options) {
  block_signals();
  auto studies = SLUICE_TRY(studies_for(options));
  runtime::ClusterConfig config;
  config.model.path = options.model;
  const LoadedModel model = SLUICE_TRY(load_model(config));
  EvalSubject subject = subject_of(options, model);
  if (options.data.empty()) std::cerr << "data: " << subject.data << '\n';
  const auto profile = SLUICE_TRY(open_profile(options.profile, model.file->fingerprint()));
  if (options.smoke) drop_uncalibrated(studies.front(), model, profile, subject);
  std::vector<StudyJobs> jobs;
  for (const runtime::Study& study : studies) {
    jobs.push_back(SLUICE_TRY(jobs_for(study, options, model)));
    if (jobs.back().too_long == 0) continue;
    subject.notes.push_back(
        fmt::format("{}: {} items are longer than the model's context of {} tokens and left out.",
                    study.name, jobs.back().too_long, model.file->spec().context_max));
    std::cerr << subject.notes.back() << '\n';
  }
  auto outcomes = measure(options, model, profile, jobs);
  if (!outcomes && outcomes.error().code == ErrorCode::kCancelled) {
    return make_error(ErrorCode::kCancelled, "stopped; the same command goes on from " +
                                                 (options.output / kOutcomes).string());
  }
  if (!outcomes) return outcomes.error();
  for (std::size_t i = 0; i < studies.size(); ++i) {
    SLUICE_TRY(add_delta_statistics(studies[i], jobs[i], model, options.output));
  }
  const auto evaluated = share_out(std::move(studies), jobs, *outcomes);
  SLUICE_TRY(write_eval_report(options.output, subject, evaluated));
  for (const EvaluatedStudy& study : evaluated) {
    std::cout << study.study.title << '\n' << eval_table(study) << '\n';
  }
  std::cout << "score and NLL of the right answer: beside the full cache's; KL in nats a token\n"
            << "written: " << (options.output / "report.html").string()
            << ", report.md, report.json, " << kOutcomes << '\n';
  return {};
}

std::string task_list() {
  std::string names;
  for (const runtime::TaskRow& row : runtime::task_rows()) {
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return names;
}

}  // namespace

void add_eval(CLI::App& app, EvalOptions& options, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "eval",
      "Measure what pipelines cost a model's answers. Writes a report (HTML, Markdown, JSON) and "
      "goes on where an earlier run into the same folder stopped");
  command->add_option("model", options.model, "'default', a .gguf file, or a model folder")
      ->required();
  auto* tasks = command->add_option("--tasks", options.tasks, "Of " + task_list())
                    ->delimiter(',')
                    ->capture_default_str();
  auto* pipelines =
      command
          ->add_option("--pipelines", options.pipelines, "Presets or YAML files; all: every preset")
          ->delimiter(',')
          ->capture_default_str();
  auto* studies =
      command
          ->add_option(
              "--study", options.studies,
              "Instead of tasks and pipelines: a study's name or YAML file; all: every one")
          ->delimiter(',')
          ->excludes(tasks)
          ->excludes(pipelines);
  command->add_option("--data", options.data,
                      "A folder with the data sets' official files, if not the small slices that "
                      "come along");
  command
      ->add_option("--count", options.count,
                   "Items of each task (20), of a study's tasks at most so many")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
  command->add_option("--output", options.output, "A folder for the report and the outcomes")
      ->capture_default_str();
  command->add_option("--profile", options.profile,
                      "The model's profile, if not where others look for it");
  command->add_option("--threads", options.threads, "0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Of the choice of items")->capture_default_str();
  command
      ->add_flag("--smoke", options.smoke,
                 "A few items, a few pipelines: is something broken? Under two minutes")
      ->excludes(studies)
      ->excludes(pipelines);
  auto* fresh = command->add_flag("--fresh", options.fresh, "Measure again what the folder has");
  command
      ->add_flag("--report-only", options.report_only,
                 "Measure nothing: the report of what the folder has")
      ->excludes(fresh);
  command->callback([&options, &chosen] {
    chosen = [&options] {
      const Status done = eval(options);
      if (done) return 0;
      print_error(done.error());
      return done.error().code == ErrorCode::kCancelled ? 130 : 1;
    };
  });
}

}  // namespace sluice::launch
