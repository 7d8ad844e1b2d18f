// SPDX-License-Identifier: Apache-2.0
// Joining a cluster: every rank says hello once, then all can reach each other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/bootstrap/bootstrap.hpp"
#include "comm/transport.hpp"
#include "runtime/config/config.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

struct Cluster {
  comm::NodeId self = 0;
  comm::NodeId router = 0;
  std::string host;  // as in Hello
  std::vector<Hello> hellos;
  std::unique_ptr<comm::Transport> transport;
  comm::Region memory;  // this rank's registered memory: decode's arena, prefill's staging
  std::map<comm::NodeId, comm::RemoteRegion> arenas;  // prefill: the decode workers'

  std::vector<comm::NodeId> nodes_of(Role role) const;

  // Another process is behind `node`: connects to it and imports its arena; `hello` replaces the
  // old one, and a worker's role may have become the other. kInvalidArgument: it does not fit this
  // cluster (a second router, the model, an older incarnation).
  Status admit(comm::NodeId node, const Hello& hello);
};

// What a process is told that takes a rank's place later on.
struct JoinAnswer {
  std::uint64_t incarnation = 0;
  comm::NodeId router = 0;
  std::vector<Hello> hellos;  // by rank; its own as it has given it
};

// What this rank brings. `error` not empty: it cannot serve, and all others shall know.
struct JoinRequest {
  std::uint64_t model_fingerprint = 0;
  std::string error = {};
  std::uint64_t pipeline_hash = 0;
  std::uint64_t profile_hash = 0;
  // Of who joins a running cluster after it was drained to change its role; else the rank's.
  std::optional<Role> role = {};
};

// Collective: every rank of the launch calls it, whatever went wrong before, so that none is left
// waiting. Opens the transport, registers this role's memory and exchanges hellos.
// The Error is one sentence for the whole cluster, the same on every rank; or kUnavailable, when
// this rank alone cannot reach another.
Result<Cluster> join_cluster(comm::Bootstrap& bootstrap, const Result<ClusterConfig>& config,
                             const JoinRequest& request);

// Joins a cluster that is running, as the rank `self`: `ask` brings this process's hello to the
// router and returns its answer. The Error is one sentence for this process's user.
using AskToJoin = std::function<Result<JoinAnswer>(const Hello&)>;
Result<Cluster> join_running_cluster(comm::NodeId self, const ClusterConfig& config,
                                     const JoinRequest& request, const AskToJoin& ask);

}  // namespace sluice::runtime
