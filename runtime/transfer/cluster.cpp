// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/cluster.hpp"

#include <algorithm>
#include <fstream>

#include "comm/registry.hpp"
#include "runtime/kv/host_memory.hpp"

namespace sluice::runtime {
namespace {

// The kernel's boot id: two processes that read the same one share a monotonic clock.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

// Asked before allocating: shared memory is handed out without being there, and the process would
// be killed when it touches what does not exist.
Result<comm::Region> register_memory(comm::Transport& transport, const char* what,
                                     std::size_t bytes, comm::MemoryKind kind) {
  const auto refuse = [&](const std::string& why) {
    return make_error(ErrorCode::kResourceExhausted,
                      "there is no memory for " + std::string(what) + ": " + why);
  };
  const std::size_t available = registrable_memory_bytes();
  if (kind == comm::MemoryKind::kHost && bytes > available) {
    return refuse(std::to_string(bytes) + " bytes are configured and " + std::to_string(available) +
                  " are available");
  }
  auto region = transport.allocate(bytes, kind);
  if (!region) return refuse(region.error().message);
  return region;
}

Status check_ranks(const ClusterConfig& config, std::size_t ranks) {
  if (ranks == config.ranks.size()) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "the configuration names " + std::to_string(config.ranks.size()) +
                        " ranks and " + std::to_string(ranks) + (ranks == 1 ? " was" : " were") +
                        " started: use mpirun -n " + std::to_string(config.ranks.size()));
}

Status open(Cluster& cluster, const ClusterConfig& config, Hello& hello) {
  // Frames are made and taken on the host, so that only an arena may be the device's: when asked
  // for, and then it is or the rank cannot serve.
  const bool is_cuda = config.transport.memory == "cuda";
  cluster.transport = SLUICE_TRY(
      comm::open_transport(config.transport.backend, {.self = cluster.self, .cuda = is_cuda}));
  if (hello.role == Role::kPrefill) {
    cluster.memory =
        SLUICE_TRY(register_memory(*cluster.transport, "the staging area (prefill.send_memory)",
                                   config.prefill.send_memory_bytes, comm::MemoryKind::kHost));
  }
  if (hello.role == Role::kDecode) {
    cluster.memory = SLUICE_TRY(register_memory(
        *cluster.transport, "the arena (decode.arena_memory)", config.decode.arena_memory_bytes,
        is_cuda ? comm::MemoryKind::kCuda : comm::MemoryKind::kHost));
    hello.arena_key = SLUICE_TRY(cluster.transport->export_region(cluster.memory));
  }
  hello.address = cluster.transport->address();
  return {};
}

Hello hello_of(const Cluster& cluster, const JoinRequest& request) {
  Hello hello;
  hello.protocol_version = kProtocolVersion;
  hello.model_fingerprint = request.model_fingerprint;
  hello.pipeline_hash = request.pipeline_hash;
  hello.profile_hash = request.profile_hash;
  hello.host = cluster.host;
  hello.error = request.error;
  return hello;
}

Hello introduce(Cluster& cluster, const Result<ClusterConfig>& config, std::size_t ranks,
                const JoinRequest& request) {
  Hello hello = hello_of(cluster, request);
  const auto fail = [&](const Error& error) {
    if (hello.error.empty()) hello.error = error.message;
    return hello;
  };
  if (!config) return fail(config.error());
  hello.config_hash = config_hash(*config);
  if (const Status enough = check_ranks(*config, ranks); !enough) return fail(enough.error());
  hello.role = config->ranks[cluster.self];
  if (!hello.error.empty()) return hello;
  if (const Status opened = open(cluster, *config, hello); !opened) return fail(opened.error());
  return hello;
}

// What two ranks of one cluster must not differ in; null when nothing.
const char* difference(const Hello& one, const Hello& other) {
  if (one.protocol_version != other.protocol_version) return "program version";
  if (one.model_fingerprint != other.model_fingerprint) return "model";
  if (one.config_hash != other.config_hash) return "configuration";
  if (one.pipeline_hash != other.pipeline_hash) return "pipeline";
  if (one.profile_hash != other.profile_hash) return "profile";
  return nullptr;
}

// One sentence for all ranks: what is wrong everywhere is said once, the rest with its rank.
Status check_hellos(const std::vector<Hello>& hellos) {
  const auto failed = std::find_if(hellos.begin(), hellos.end(),
                                   [](const Hello& hello) { return !hello.error.empty(); });
  if (failed != hellos.end()) {
    const bool everywhere = std::all_of(hellos.begin(), hellos.end(), [&](const Hello& hello) {
      return hello.error == failed->error;
    });
    if (everywhere) return make_error(ErrorCode::kInvalidArgument, failed->error);
    return make_error(ErrorCode::kInvalidArgument,
                      "rank " + std::to_string(failed - hellos.begin()) + " (" +
                          role_name(failed->role) + "): " + failed->error);
  }
  for (const Hello& hello : hellos) {
    const char* what = difference(hello, hellos[0]);
    if (what == nullptr) continue;
    return make_error(ErrorCode::kInvalidArgument,
                      "rank " + std::to_string(&hello - hellos.data()) + " (" +
                          role_name(hello.role) + ") has another " + what + " than rank 0");
  }
  return {};
}

Status connect(Cluster& cluster) {
  for (std::size_t rank = 0; rank < cluster.hellos.size(); ++rank) {
    const auto node = static_cast<comm::NodeId>(rank);
    const Hello& hello = cluster.hellos[rank];
    if (node == cluster.self) continue;
    SLUICE_TRY(cluster.transport->connect(node, hello.address));
    if (cluster.hellos[cluster.self].role == Role::kPrefill && hello.role == Role::kDecode) {
      cluster.arenas[node] = SLUICE_TRY(cluster.transport->import_region(node, hello.arena_key));
    }
  }
  return {};
}

// Whom it cannot reach has ended, and will join anew like this one.
void connect_to_living(Cluster& cluster) {
  for (std::size_t rank = 0; rank < cluster.hellos.size(); ++rank) {
    const auto node = static_cast<comm::NodeId>(rank);
    const Hello& hello = cluster.hellos[rank];
    if (node == cluster.self || !cluster.transport->connect(node, hello.address)) continue;
    if (cluster.hellos[cluster.self].role == Role::kPrefill && hello.role == Role::kDecode) {
      auto arena = cluster.transport->import_region(node, hello.arena_key);
      if (arena) cluster.arenas[node] = *arena;
    }
  }
}

}  // namespace

std::vector<comm::NodeId> Cluster::nodes_of(Role role) const {
  std::vector<comm::NodeId> nodes;
  for (std::size_t rank = 0; rank < hellos.size(); ++rank) {
    if (hellos[rank].role == role) nodes.push_back(static_cast<comm::NodeId>(rank));
  }
  return nodes;
}

Status Cluster::admit(comm::NodeId node, const Hello& hello) {
  const auto refuse = [&](const std::string& why) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the process that would be rank " + std::to_string(node) + " " + why);
  };
  if (node >= hellos.size()) return refuse("names a rank that is not in the configuration");
  if (node == self || node == router) return refuse("is no worker");
  if (!hello.error.empty()) return refuse("cannot serve: " + hello.error);
  if (const char* what = difference(hello, hellos[self])) {
    return refuse(std::string("has another ") + what + " than the cluster");
  }
  if (hello.role == Role::kRouter) return refuse("is a second router");
  Hello& known = hellos[node];
  if (hello.incarnation <= known.incarnation) return refuse("is older than the one known");
  SLUICE_TRY(transport->connect(node, hello.address));
  if (const auto old = arenas.find(node); old != arenas.end()) {
    transport->forget_region(old->second);
    arenas.erase(old);
  }
  if (hellos[self].role == Role::kPrefill && hello.role == Role::kDecode) {
    arenas[node] = SLUICE_TRY(transport->import_region(node, hello.arena_key));
  }
  known = hello;
  return {};
}

Result<Cluster> join_cluster(comm::Bootstrap& bootstrap, const Result<ClusterConfig>& config,
                             const JoinRequest& request) {
  Cluster cluster;
  cluster.self = bootstrap.rank();
  cluster.host = boot_id();
  const Hello mine = introduce(cluster, config, bootstrap.ranks(), request);
  const auto all = SLUICE_TRY(bootstrap.exchange(mine.encode()));
  for (const auto& bytes : all) cluster.hellos.push_back(SLUICE_TRY(Hello::decode(bytes)));
  SLUICE_TRY(check_hellos(cluster.hellos));
  const auto routers = cluster.nodes_of(Role::kRouter);
  SLUICE_CHECK(routers.size() == 1, "the configuration was checked to have one router");
  cluster.router = routers.front();
  if (const Status connected = connect(cluster); !connected) {
    return make_error(ErrorCode::kUnavailable, "rank " + std::to_string(cluster.self) + " (" +
                                                   role_name(mine.role) +
                                                   "): " + connected.error().message);
  }
  return cluster;
}

Result<Cluster> join_running_cluster(comm::NodeId self, const ClusterConfig& config,
                                     const JoinRequest& request, const AskToJoin& ask) {
  const auto refuse = [](const std::string& why) {
    return make_error(ErrorCode::kInvalidArgument, why);
  };
  if (!request.error.empty()) return refuse(request.error);
  if (self >= config.ranks.size()) {
    return refuse("the configuration names " + std::to_string(config.ranks.size()) +
                  " ranks, and none is rank " + std::to_string(self));
  }
  if (config.ranks[self] == Role::kRouter) return refuse("a router cannot join its own cluster");
  Cluster cluster;
  cluster.self = self;
  cluster.host = boot_id();
  Hello mine = hello_of(cluster, request);
  mine.role = request.role.value_or(config.ranks[self]);
  mine.config_hash = config_hash(config);
  SLUICE_TRY(open(cluster, config, mine));
  JoinAnswer answer = SLUICE_TRY(ask(mine));
  mine.incarnation = answer.incarnation;
  if (answer.hellos.size() != config.ranks.size() || answer.router >= answer.hellos.size() ||
      answer.router == self || answer.incarnation < 2) {
    return make_error(ErrorCode::kCorrupt, "the router's answer does not fit the configuration");
  }
  cluster.router = answer.router;
  cluster.hellos = std::move(answer.hellos);
  cluster.hellos[self] = std::move(mine);
  connect_to_living(cluster);
  SLUICE_TRY(cluster.transport->flush(cluster.router, 0));
  return cluster;
}

}  // namespace sluice::runtime
