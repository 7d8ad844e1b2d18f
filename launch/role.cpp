// SPDX-License-Identifier: Apache-2.0
#include "launch/role.hpp"

#include <atomic>
#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "launch/signals.hpp"
#include "launch/worker_table.hpp"
#include "runtime/decode/decode_loop.hpp"
#include "runtime/decode/decode_worker.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/prefill/prefill_loop.hpp"
#include "runtime/prefill/prefill_worker.hpp"
#include "runtime/router/decision_log.hpp"
#include "runtime/router/join_socket.hpp"
#include "runtime/router/metrics.hpp"
#include "runtime/telemetry/progress_bar.hpp"

namespace sluice::launch {
namespace {

void print_note(const char* kind, const std::string& sentence) {
  std::fprintf(stderr, "[%s] %s\n", kind, sentence.c_str());
}

NextRole run_prefill(runtime::Cluster& cluster, const LoadedModel& model) {
  const runtime::ClusterConfig& config = model.config;
  const runtime::PrefillLoopOptions options{config.prefill, config.pipeline.encode_threads,
                                            runtime::kv_shape_of(model.file->spec()), cluster.host,
                                            config.scheduler.prefix_block_tokens};
  auto worker_options = runtime::prefill_worker_options(config);
  worker_options.levels = model.levels;
  runtime::PrefillWorker worker(cluster, std::move(worker_options), *model.pipelines,
                                [&](std::function<void(runtime::PrefillEvent)> emit) {
                                  return std::make_unique<runtime::PrefillLoop>(
                                      *model.file, options, std::move(emit));
                                });
  SLUICE_TRY(worker.run());
  return worker.drained_as();
}

NextRole run_decode(runtime::Cluster& cluster, const LoadedModel& model,
                    std::unique_ptr<runtime::KvPool> pool) {
  const auto end_tokens = model.tokenizer->end_of_text();
  auto options = runtime::decode_worker_options(model.config, model.file->spec().vocab, end_tokens);
  options.warn = [](const std::string& sentence) { print_note("memory", sentence); };
  options.levels = model.levels;
  options.prefix_salt = [&model](const std::string& pipeline) {
    return model.pipelines->prefix_salt(pipeline);
  };
  runtime::DecodeWorker worker(
      cluster, std::move(options), model.pipelines->decoder(), std::move(pool),
      [&](runtime::KvPool& pages, std::function<void(runtime::DecodeEvent)> emit) {
        return std::make_unique<runtime::DecodeLoop>(*model.file, model.config.decode, pages,
                                                     end_tokens, std::move(emit));
      });
  SLUICE_TRY(worker.run());
  return worker.drained_as();
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

// Where workers join later. Not to be able to listen is no reason not to serve.
std::unique_ptr<runtime::JoinServer> listen_for_joins(runtime::Router& router,
                                                      const runtime::RouterConfig& config) {
  if (config.join_port == 0) return nullptr;
  auto server = runtime::JoinServer::start(
      config.host, config.join_port,
      [&router](comm::NodeId node, runtime::Hello hello) { return router.join(node, hello); });
  if (server) return std::move(*server);
  print_note("cluster", "no worker can join later (router.join_port): " + server.error().message);
  return nullptr;
}

// What is decided and what comes of it: counted, and logged where the cluster file names a file.
Result<std::unique_ptr<runtime::DecisionLog>> open_decision_log(const LoadedModel& model) {
  const runtime::SchedulerConfig& config = model.config.scheduler;
  if (config.decision_log.empty()) return std::unique_ptr<runtime::DecisionLog>();
  runtime::DecisionLogOptions options;
  options.warn = [](const std::string& sentence) { print_note("decision log", sentence); };
  auto log = SLUICE_TRY(runtime::DecisionLog::open(config.decision_log, std::move(options)));
  log->started(config.policy, model.levels.get());
  return log;
}

// Both outlive the router; the log may be null.
void observe(runtime::Metrics& metrics, runtime::DecisionLog* log,
             runtime::RouterOptions& options) {
  options.correction = [&metrics] { return metrics.correction(); };
  options.wants_alternatives = log != nullptr;
  options.on_decision = [&metrics, log](const runtime::DecisionReport& report) {
    metrics.decided(report);
    if (log != nullptr) log->decided(report);
  };
  options.on_outcome = [&metrics, log](const runtime::OutcomeReport& report) {
    metrics.ended(report);
    if (log != nullptr) log->ended(report);
  };
}

Status run_router(runtime::Cluster& cluster, const LoadedModel& model, const Front& front,
                  bool accept_joins) {
  scheduler::PolicyOptions policy_options;
  policy_options.local_tokens_max = model.config.scheduler.local_tokens_max;
  auto policy = SLUICE_TRY(scheduler::create_policy(model.config.scheduler.policy, policy_options));
  const auto decision_log = SLUICE_TRY(open_decision_log(model));
  runtime::Metrics metrics;
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
  options.topology = model.config.topology;
  options.scheduler = model.config.scheduler;
  // Who changes its role joins again, as others that come later.
  options.scheduler.switch_roles &= accept_joins && model.config.router.join_port != 0;
  options.levels = model.levels;
  observe(metrics, decision_log.get(), options);
  options.on_worker_change = [](const std::string& text) { print_note("cluster", text); };
  options.on_link_change = [](const std::string& text) { print_note("link", text); };
  std::unique_ptr<runtime::JoinServer> joins;
  options.on_ready = [&] {
    bar.finish();
    if (accept_joins) joins = listen_for_joins(*self, model.config.router);
    front_thread = std::thread([&] {
      front_status = front({*self, model, metrics, stopping});
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
  joins.reset();
  announce_stop();
  if (front_thread.joinable()) front_thread.join();
  SLUICE_TRY(served);
  SLUICE_TRY(front_status);
  print_worker_table(std::cerr, router.reports());
  return {};
}

}  // namespace

NextRole run_role(runtime::Cluster& cluster, const LoadedModel& model,
                  std::unique_ptr<runtime::KvPool> pool, const Front& front, bool accept_joins) {
  switch (cluster.hellos[cluster.self].role) {
    case runtime::Role::kRouter:
      SLUICE_TRY(run_router(cluster, model, front, accept_joins));
      return std::optional<runtime::Role>();
    case runtime::Role::kPrefill:
      return run_prefill(cluster, model);
    case runtime::Role::kDecode:
      return run_decode(cluster, model, std::move(pool));
  }
  return std::optional<runtime::Role>();
}

}  // namespace sluice::launch
