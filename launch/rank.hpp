// SPDX-License-Identifier: Apache-2.0
// One rank of a cluster, from its configuration file to its end. `serve` and `run` differ only in
// what the router's rank does while it serves.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "kernels/core/result.hpp"
#include "runtime/config/config.hpp"
#include "runtime/frames/pipeline_set.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/router/metrics.hpp"
#include "runtime/router/router.hpp"
#include "runtime/tokenizer/tokenizer.hpp"
#include "scheduler/level_table.hpp"

namespace sluice::launch {

// A model and its tokenizer, with the configuration that named it.
struct LoadedModel {
  runtime::ClusterConfig config;
  std::unique_ptr<runtime::ModelFile> file;
  std::unique_ptr<runtime::Tokenizer> tokenizer;
  std::int64_t context_tokens = 0;
  std::unique_ptr<runtime::PipelineSet> pipelines;      // by open_pipelines()
  std::shared_ptr<const scheduler::LevelTable> levels;  // by load_levels(); null: there is none

  // The configuration's family when it names one, else the model's own template.
  const std::string& chat_template() const {
    return config.model.chat_template.empty() ? tokenizer->chat_template()
                                              : config.model.chat_template;
  }
};

// "default" in the configuration is the model that launch/setup put into the cache folder.
Result<LoadedModel> load_model(const runtime::ClusterConfig& config);

// The pipeline that the configuration names, with the model's profile where there is one. An error
// of either is a sentence for the user.
Status open_pipelines(LoadedModel& model);

// What the command line says.
struct RankOptions {
  std::filesystem::path config;
  std::string pipeline;       // not empty: instead of the configuration's
  bool accept_joins = false;  // the router: workers may join later, at router.join_port
  std::string join = {};      // HOST:PORT of a running cluster's router: be its rank `rank`
  std::int64_t rank = 0;
  std::string fault = {};  // for tests: where the rank `fault_rank` kills or stops itself
  std::int64_t fault_rank = 0;
};
Result<runtime::ClusterConfig> load_config(const RankOptions& options);

// A cluster whose workers are ready, as the router's rank has it.
struct Serving {
  runtime::Generator& generator;
  const LoadedModel& model;
  runtime::Metrics& metrics;
  const std::atomic<bool>& stopping;  // becomes true, and notifies, when the cluster ends
};

// Runs on the router's rank in a thread of its own. The cluster stops when it returns.
using Front = std::function<Status(const Serving&)>;

// Collective over the ranks of an mpirun, unless it joins a running cluster. Errors are printed
// once, by one rank. The exit code.
int run_rank(const RankOptions& options, const Front& front);

// One sentence on stderr.
void print_error(const Error& error);

}  // namespace sluice::launch
