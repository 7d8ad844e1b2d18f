// SPDX-License-Identifier: Apache-2.0
#include "launch/rank.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "comm/bootstrap/bootstrap.hpp"
#include "launch/codec_paths.hpp"
#include "launch/default_model.hpp"
#include "launch/launcher_watch.hpp"
#include "launch/levels.hpp"
#include "launch/role.hpp"
#include "launch/signals.hpp"
#include "runtime/engine/cache_shape.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/router/join_socket.hpp"
#include "runtime/transfer/fault_point.hpp"

namespace sluice::launch {
namespace {

Result<std::filesystem::path> model_path(const std::string& configured) {
  if (configured != "default") return std::filesystem::path(configured);
  const auto path = default_model_path();
  if (std::filesystem::exists(path)) return path;
  return make_error(ErrorCode::kNotFound,
                    "the default model is not at " + path.string() + ": run launch/setup");
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

Result<std::unique_ptr<runtime::KvPool>> make_pool(const LoadedModel& model) {
  const runtime::KvShape shape = runtime::kv_shape_of(model.file->spec());
  return runtime::KvPool::create(shape,
                                 runtime::kv_blocks_in(shape, model.config.decode.kv_memory_bytes));
}

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
  auto levels = load_levels(*prepared.model);
  if (!levels) {
    prepared.join.error = levels.error().message;
    return prepared;
  }
  prepared.model->levels = std::move(*levels);
  prepared.join.pipeline_hash = prepared.model->pipelines->pipeline_hash();
  prepared.join.profile_hash = prepared.model->pipelines->profile_hash();
  const auto& ranks = prepared.config->ranks;
  if (rank >= ranks.size() || ranks[rank] != runtime::Role::kDecode) return prepared;
  auto pool = make_pool(*prepared.model);
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
  print_error(make_error(ErrorCode::kUnavailable,
                         "mpirun, which started this rank, is gone: the rank ends too"));
  std::_Exit(1);
}

// mpirun that goes on when a rank dies says nothing of how the others ended: launch/cluster reads
// the router's exit code where it has asked for it.
int report(int exit_code) {
  if (const char* file = std::getenv("SLUICE_STATUS_FILE")) std::ofstream(file) << exit_code;
  return exit_code;
}

Status arm(const RankOptions& options, comm::NodeId rank) {
  if (options.fault.empty()) return {};
  const runtime::Fault fault = SLUICE_TRY(runtime::parse_fault(options.fault));
  if (rank == static_cast<comm::NodeId>(options.fault_rank)) runtime::arm_fault(fault);
  return {};
}

Result<runtime::Cluster> join_at(const runtime::JoinAddress& address, comm::NodeId rank,
                                 const Prepared& prepared) {
  constexpr std::chrono::seconds kPatience{10};
  return runtime::join_running_cluster(
      rank, *prepared.config, prepared.join, [&](const runtime::Hello& hello) {
        return runtime::ask_to_join(address, rank, hello, kPatience);
      });
}

// Until its end; a worker that is drained to change its role joins again at `address`.
Status serve(runtime::Cluster& cluster, Prepared& prepared, const runtime::JoinAddress& address,
             const Front& front, bool accept_joins) {
  while (true) {
    const auto next = SLUICE_TRY(
        run_role(cluster, *prepared.model, std::move(prepared.pool), front, accept_joins));
    const comm::NodeId rank = cluster.self;
    if (!next || *next == cluster.hellos[rank].role) return {};
    cluster = {};  // its memory and its address are of the role that it had
    prepared.join.role = *next;
    if (*next == runtime::Role::kDecode) prepared.pool = SLUICE_TRY(make_pool(*prepared.model));
    cluster = SLUICE_TRY(join_at(address, rank, prepared));
  }
}

int run_under_mpi(const RankOptions& options, const Front& front) {
  const LauncherWatch launcher(end_without_launcher);
  auto bootstrap = comm::open_mpi_bootstrap();
  if (!bootstrap) {
    print_error(bootstrap.error());
    return 1;
  }
  const comm::NodeId rank = (*bootstrap)->rank();
  Prepared prepared = prepare(options, rank);
  if (const Status armed = arm(options, rank); !armed) prepared.join.error = armed.error().message;
  auto cluster = runtime::join_cluster(**bootstrap, prepared.config, prepared.join);
  if (!cluster) {
    // Every rank has this same sentence and one says it, unless it is about this rank's links.
    if (rank == 0 || cluster.error().code == ErrorCode::kUnavailable) print_error(cluster.error());
    return rank == 0 ? report(1) : 1;
  }
  // MPI has done its part: after this no rank can wait in it for one that died.
  bootstrap->reset();
  const bool is_router = cluster->self == cluster->router;
  std::unique_ptr<SignalWatch> signals;
  if (!is_router) signals = std::make_unique<SignalWatch>(stop_without_router);
  const runtime::RouterConfig& router = prepared.config->router;
  const Status status = serve(*cluster, prepared, {router.host, std::to_string(router.join_port)},
                              front, options.accept_joins);
  // A worker's own trouble reached the router, which says it for all.
  if (!status && (is_router || status.error().code == ErrorCode::kUnavailable)) {
    print_error(status.error());
  }
  const int exit_code = status ? 0 : 1;
  return is_router ? report(exit_code) : exit_code;
}

// A worker in place of one that ended, without MPI: the router tells it all it needs.
Status join(const RankOptions& options) {
  const auto address = SLUICE_TRY(runtime::parse_join_address(options.join));
  const auto rank = static_cast<comm::NodeId>(options.rank);
  Prepared prepared = prepare(options, rank);
  if (!prepared.config) return prepared.config.error();
  SLUICE_TRY(arm(options, rank));
  auto cluster = SLUICE_TRY(join_at(address, rank, prepared));
  const runtime::Hello& self = cluster.hellos[rank];
  std::fprintf(stderr, "sluice: joined as rank %u (%s), process %llu of that rank\n", rank,
               runtime::role_name(self.role), static_cast<unsigned long long>(self.incarnation));
  return serve(cluster, prepared, address, {}, false);
}

}  // namespace

int run_rank(const RankOptions& options, const Front& front) {
  if (!options.join.empty()) {
    const Status status = join(options);
    if (!status) print_error(status.error());
    return status ? 0 : 1;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a launcher that is gone was the reader of standard error
  block_signals();                // before any thread: SignalWatch's shall be the one to get them
  if (!comm::started_by_mpi()) {
    print_error(not_under_mpi(options.config));
    return 1;
  }
  return run_under_mpi(options, front);
}

}  // namespace sluice::launch
