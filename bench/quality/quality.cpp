// SPDX-License-Identifier: Apache-2.0
// What each pipeline costs the answer: JSON into a file, a Markdown table on stdout, progress on
// stderr. docs/quality.md says what is measured and what came of it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bench/quality/item_file.hpp"
#include "bench/quality/loss.hpp"
#include "bench/quality/loss_table.hpp"
#include "launch/codec_paths.hpp"
#include "launch/rank.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"

namespace sluice::bench {
namespace {

struct Options {
  std::string model;
  std::string items;
  std::vector<std::string> pipelines;
  std::string profile;
  std::string json;
  std::string commit = "unknown";
  int threads = 0;
};

using PipelinePointer = std::unique_ptr<const kernels::Pipeline>;

Result<std::vector<PipelinePointer>> open_pipelines(
    std::vector<std::string> names, const kernels::CacheShape& shape,
    const std::shared_ptr<const kernels::Profile>& profile) {
  const auto folder = launch::presets_folder();
  if (names.empty() || names == std::vector<std::string>{"all"}) {
    names = runtime::preset_names(folder);
  }
  std::vector<PipelinePointer> pipelines;
  for (const std::string& name : names) {
    const auto spec = SLUICE_TRY(runtime::find_pipeline(name, folder));
    pipelines.push_back(SLUICE_TRY(kernels::Pipeline::create(spec, shape, profile)));
  }
  return pipelines;
}

// All pipelines on one item, on as many threads as there are engines.
class ItemRun {
 public:
  ItemRun(const Reference& reference, const std::vector<PipelinePointer>& pipelines,
          std::shared_ptr<const kernels::Profile> profile)
      : reference_(reference),
        pipelines_(pipelines),
        profile_(std::move(profile)),
        losses_(pipelines.size()) {}

  Result<std::vector<Loss>> run(
      const std::vector<std::unique_ptr<runtime::DecodeEngine>>& engines) {
    std::vector<std::thread> threads;
    for (const auto& engine : engines) threads.emplace_back([&] { work(*engine); });
    for (std::thread& thread : threads) thread.join();
    std::vector<Loss> found;
    for (auto& loss : losses_) found.push_back(SLUICE_TRY(std::move(*loss)));
    return found;
  }

 private:
  void work(runtime::DecodeEngine& engine) {
    for (std::size_t i = next_++; i < pipelines_.size(); i = next_++) {
      losses_[i] = std::make_unique<Result<Loss>>(
          measure_loss(reference_, *pipelines_[i], profile_, engine));
    }
  }

  const Reference& reference_;
  const std::vector<PipelinePointer>& pipelines_;
  const std::shared_ptr<const kernels::Profile> profile_;
  std::vector<std::unique_ptr<Result<Loss>>> losses_;
  std::atomic<std::size_t> next_{0};
};

nlohmann::json mean_json(const MeanLoss& mean) {
  return {{"items", mean.items},
          {"ratio", mean.ratio},
          {"nll_full", mean.nll_full},
          {"nll", mean.nll},
          {"kl", mean.kl},
          {"top1", mean.top1},
          {"own_kl", mean.own_kl},
          {"own_top1", mean.own_top1}};
}

nlohmann::json report_json(const Options& options, const std::vector<Loss>& losses) {
  nlohmann::json report{{"bench", "quality"}, {"commit", options.commit}};
  for (const PipelineLoss& row : mean_losses(losses)) {
    nlohmann::json json{{"pipeline", row.pipeline}, {"all", mean_json(row.all)}};
    for (const auto& [task, mean] : row.tasks) json["tasks"][task] = mean_json(mean);
    report["pipelines"].push_back(std::move(json));
  }
  for (const Loss& loss : losses) {
    report["items"].push_back({{"task", loss.task},
                               {"pipeline", loss.pipeline},
                               {"ratio", loss.ratio},
                               {"nll_full", loss.nll_full},
                               {"nll", loss.nll},
                               {"kl", loss.kl},
                               {"top1", loss.top1},
                               {"own_kl", loss.own_kl},
                               {"own_top1", loss.own_top1}});
  }
  return report;
}

Status write_report(const Options& options, const std::vector<Loss>& losses) {
  if (options.json.empty()) return {};
  std::ofstream file(options.json);
  file << report_json(options, losses).dump(1) << '\n';
  file.close();
  if (file) return {};
  return make_error(ErrorCode::kUnavailable, "cannot write " + options.json);
}

Status measure(const Options& options) {
  const auto items = SLUICE_TRY(load_items(options.items));
  runtime::ClusterConfig config;
  config.model.path = options.model;
  const auto model = SLUICE_TRY(launch::load_model(config));
  const auto profile = SLUICE_TRY(launch::open_profile(options.profile, model.file->fingerprint()));
  const auto shape = runtime::cache_shape_of(*model.file);
  const auto pipelines = SLUICE_TRY(open_pipelines(options.pipelines, shape, profile));
  const auto engine_options = SLUICE_TRY(runtime::engine_options("cpu", "auto", options.threads));
  const auto prefill = SLUICE_TRY(runtime::PrefillEngine::create(*model.file, engine_options, {}));
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::unique_ptr<runtime::DecodeEngine>> engines;
  for (int i = 0; i < threads; ++i) {
    engines.push_back(SLUICE_TRY(runtime::DecodeEngine::create(*model.file, {.threads = 1})));
  }
  std::vector<Loss> losses;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto reference = SLUICE_TRY(make_reference(items[i], model, *prefill, *engines.front()));
    const auto found = SLUICE_TRY(ItemRun(reference, pipelines, profile).run(engines));
    losses.insert(losses.end(), found.begin(), found.end());
    std::cerr << i + 1 << " of " << items.size() << ": " << items[i].task << ", "
              << reference.cache.tokens() << " tokens, " << reference.question_tokens
              << " of them the question; NLL " << reference.nll << "; the model says "
              << model.tokenizer->decode(reference.own) << '\n';
    SLUICE_TRY(write_report(options, losses));  // what there is, should this be stopped
  }
  std::cout << loss_table(mean_losses(losses));
  return {};
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::bench::Options options;
  CLI::App app("What each pipeline costs the answer");
  app.add_option("model", options.model, "'default', a .gguf file, or a model folder")->required();
  app.add_option("--items", options.items, "What items.py wrote")->required();
  app.add_option("--pipelines", options.pipelines, "Presets or YAML files, if not all presets")
      ->delimiter(',');
  app.add_option("--profile", options.profile, "If not where calibrate writes it");
  app.add_option("--json", options.json, "The report: means, and every item of every pipeline");
  app.add_option("--commit", options.commit, "Put into the report");
  app.add_option("--threads", options.threads, "0: all cores");
  CLI11_PARSE(app, argc, argv);
  const auto status = sluice::bench::measure(options);
  if (status) return 0;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return 1;
}
