// SPDX-License-Identifier: Apache-2.0
#include "launch/rank.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "comm/bootstrap/bootstrap.hpp"
#include "launch/codec_paths.hpp"
#include "launch/default_model.hpp"
#include "launch/launcher_watch.hpp"
#include "launch/signals.hpp"
#include "launch/worker_table.hpp"
#include "runtime/decode/decode_worker.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/prefill/prefill_worker.hpp"
#include "runtime/telemetry/progress_bar.hpp"

namespace sluice::launch {
namespace {

Result<std::filesystem::path> model_path(const std::string& configured) {
  if (configured != "default") return std::filesystem::path(configured);
  const auto path = default_model_path();
  if (std::filesystem::exists(path)) return path;
  return make_error(ErrorCode::kNotFound,
                    "the default model is not at " + path.string() + ": run launch/setup");
}

Status run_prefill(runtime::Cluster& cluster, const LoadedModel& model) {
  runtime::PrefillWorker worker(cluster, model.config, *model.file, *model.pipelines);
  return worker.run();
}

Status run_decode(runtime::Cluster& cluster, const LoadedModel& model,
                  std::unique_ptr<runtime::KvPool> pool) {
  runtime::DecodeWorker worker(cluster, model.config, *model.file, *model.pipelines,
                               std::move(pool), model.tokenizer->end_of_text());
  return worker.run();
}

// All workers load at once; the bar shows the slowest.
class LoadingBar {
 public:
  explicit LoadingBar(std::size_t workers)
      : workers_(workers),
        bar_(std::cerr, {.label = "loading the model",
                         .total = kSteps,
                         .unit = runtime::ProgressUnit::kPercent,
                         .is_terminal = runtime::stderr_is_terminal()}) {}

  void update(comm::NodeId node, double done) {
    done_[node] = done;
    double least = done_.size() < workers_ ? 0.0 : 1.0;
    for (const auto& [rank, share] : done_) least = std::min(least, share);
    bar_.update(static_cast<std::int64_t>(least * kSteps));
  }
  void finish() { bar_.finish(); }

 private:
  static constexpr std::int64_t kSteps = 100;  // per cent

  std::size_t workers_;
  std::map<comm::NodeId, double> done_;
  runtime::ProgressBar bar_;
};

Status run_router(runtime::Cluster& cluster, const LoadedModel& model, const Front& front) {
  auto policy = SLUICE_TRY(scheduler::create_policy(model.config.scheduler.policy));
  LoadingBar bar(cluster.hellos.size() - 1);
  std::atomic<bool> stopping = false;
  const auto announce_stop = [&stopping] {
    stopping = true;
    stopping.notify_all();
  };
  Status front_status;
  std::thread front_thread;
  runtime::Router* self = nullptr;
  runtime::RouterOptions options;
  options.limits = {model.context_tokens, model.file->spec().vocab};
  options.on_loading = [&](comm::NodeId node, double done) { bar.update(node, done); };
  options.on_ready = [&] {
    bar.finish();
    front_thread = std::thread([&] {
      front_status = front(*self, model, stopping);
      self->stop();
    });
  };
  runtime::Router router(cluster, std::move(policy), std::move(options));
  self = &router;
  const SignalWatch signals([&](int) {
    announce_stop();
    router.stop();
  });
  const Status served = router.run();
  announce_stop();
  if (front_thread.joinable()) front_thread.join();
  SLUICE_TRY(served);
  SLUICE_TRY(front_status);
  print_worker_table(std::cerr, router.reports());
  return {};
}

Status run_role(runtime::Cluster& cluster, const LoadedModel& model,
                std::unique_ptr<runtime::KvPool> pool, const Front& front) {
  switch (cluster.hellos[cluster.self].role) {
    case runtime::Role::kRouter:
      return run_router(cluster, model, front);
    case runtime::Role::kPrefill: {
      const SignalWatch signals(stop_without_router);
      return run_prefill(cluster, model);
    }
    case runtime::Role::kDecode: {
      const SignalWatch signals(stop_without_router);
      return run_decode(cluster, model, std::move(pool));
    }
  }
  return {};
}

}  // namespace

void print_error(const Error& error) {
  std::fprintf(stderr, "sluice: %s\n", error.message.c_str());
}

Result<LoadedModel> load_model(const runtime::ClusterConfig& config) {
  LoadedModel model;
  model.config = config;
  const auto path = SLUICE_TRY(model_path(config.model.path));
  model.file = SLUICE_TRY(runtime::ModelFile::open(path));
  model.tokenizer = SLUICE_TRY(runtime::Tokenizer::open(*model.file));
  model.context_tokens =
      runtime::context_tokens_of(model.file->spec(), config.model.context_tokens);
  return model;
}

Status open_pipelines(LoadedModel& model) {
  runtime::PipelineSetOptions options;
  options.shape = runtime::cache_shape_of(*model.file);
  options.profile =
      SLUICE_TRY(open_profile(model.config.pipeline.profile, model.file->fingerprint()));
  options.presets = presets_folder();
  model.pipelines =
      SLUICE_TRY(runtime::PipelineSet::create(model.config.pipeline.name, std::move(options)));
  return {};
}

Result<runtime::ClusterConfig> load_config(const RankOptions& options) {
  auto config = SLUICE_TRY(runtime::load_config(options.config));
  if (!options.pipeline.empty()) config.pipeline.name = options.pipeline;
  return config;
}

namespace {

// What this rank needs before it can say hello; each part only where the one before succeeded.
struct Prepared {
  Result<runtime::ClusterConfig> config;
  Result<LoadedModel> model;
  std::unique_ptr<runtime::KvPool> pool;  // of a decode worker
  runtime::JoinRequest join;
};

Prepared prepare(const RankOptions& options, comm::NodeId rank) {
  Prepared prepared{load_config(options), Error{}, nullptr, {}};
  if (!prepared.config) return prepared;
  prepared.model = load_model(*prepared.config);
  if (!prepared.model) {
    prepared.join.error = prepared.model.error().message;
    return prepared;
  }
  prepared.join.model_fingerprint = prepared.model->file->fingerprint();
  if (const Status opened = open_pipelines(*prepared.model); !opened) {
    prepared.join.error = opened.error().message;
    return prepared;
  }
  prepared.join.pipeline_hash = prepared.model->pipelines->pipeline_hash();
  prepared.join.profile_hash = prepared.model->pipelines->profile_hash();
  const auto& ranks = prepared.config->ranks;
  if (rank >= ranks.size() || ranks[rank] != runtime::Role::kDecode) return prepared;
  const runtime::KvShape shape = runtime::kv_shape_of(prepared.model->file->spec());
  auto pool = runtime::KvPool::create(
      shape, runtime::kv_blocks_in(shape, prepared.config->decode.kv_memory_bytes));
  if (pool) {
    prepared.pool = std::move(*pool);
  } else {
    prepared.join.error = pool.error().message;
  }
  return prepared;
}

Error not_under_mpi(const std::filesystem::path& path) {
  const auto config = runtime::load_config(path);
  if (!config) return config.error();
  return make_error(ErrorCode::kInvalidArgument, "the configuration names " +
                                                     std::to_string(config->ranks.size()) +
                                                     " ranks and one was started: use mpirun -n " +
                                                     std::to_string(config->ranks.size()) +
                                                     " (or, in one process, sluice run --local)");
}

// There is nobody left to stop this rank, or to take its exit in turn: it ends where it is.
[[noreturn]] void end_without_launcher() {
  std::signal(SIGPIPE, SIG_IGN);  // the launcher may have been the reader of standard error
  print_error(make_error(ErrorCode::kUnavailable,
                         "mpirun, which started this rank, is gone: the rank ends too"));
  std::_Exit(1);
}

}  // namespace

int run_rank(const RankOptions& options, const Front& front) {
  block_signals();  // before any thread: SignalWatch's shall be the one to get them
  if (!comm::started_by_mpi()) {
    print_error(not_under_mpi(options.config));
    return 1;
  }
  const LauncherWatch launcher(end_without_launcher);
  auto bootstrap = comm::open_mpi_bootstrap();
  if (!bootstrap) {
    print_error(bootstrap.error());
    return 1;
  }
  Prepared prepared = prepare(options, (*bootstrap)->rank());
  auto cluster = runtime::join_cluster(**bootstrap, prepared.config, prepared.join);
  if (!cluster) {
    // Every rank has this same sentence and one says it, unless it is about this rank's links.
    if ((*bootstrap)->rank() == 0 || cluster.error().code == ErrorCode::kUnavailable) {
      print_error(cluster.error());
    }
    return 1;
  }
  // MPI has done its part: after this no rank can wait in it for one that died.
  bootstrap->reset();
  const Status status = run_role(*cluster, *prepared.model, std::move(prepared.pool), front);
  if (status) return 0;
  // A worker's own trouble reached the router, which says it for all.
  if (cluster->self == cluster->router || status.error().code == ErrorCode::kUnavailable) {
    print_error(status.error());
  }
  return 1;
}

}  // namespace sluice::launch
