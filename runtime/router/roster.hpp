// SPDX-License-Identifier: Apache-2.0
// What the router knows of its workers: who can be given work now, and why the others cannot.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "comm/transport.hpp"
#include "runtime/config/config.hpp"
#include "runtime/transfer/messages.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::runtime {

// Which workers a request is placed on.
struct WorkerLoad {
  std::int64_t requests = 0;
  std::int64_t queued_tokens = 0;
};

class Roster {
 public:
  struct Worker {
    Role role = Role::kPrefill;
    bool is_alive = true;  // as far as the transport knows
    bool is_ready = false;
    bool is_silent = false;
    bool has_joined = false;  // after the cluster's start, in place of another
    bool said_goodbye = false;
    bool is_draining = false;  // ends what it has and is told then, and leaves
    bool was_told = false;
    std::optional<Role> becomes = {};  // the role in which it is to join again, if it is another
    std::int64_t silent_since_us = 0;
    // What it has said of itself; a new process has said nothing yet.
    scheduler::WorkerSpeed prefill_speed = {};
    double step_s = 0.0;
    double codec_slowness = 1.0;
    std::int64_t free_tokens = -1;
    std::int64_t free_tokens_max = -1;  // the most that it ever had

    bool is_usable() const { return is_alive && is_ready && !is_silent && !is_draining; }
  };

  void add(comm::NodeId node, Role role);
  // Null for a node that is no worker.
  Worker* find(comm::NodeId node);
  const Worker* find(comm::NodeId node) const;
  const std::map<comm::NodeId, Worker>& workers() const { return workers_; }

  bool all_ready() const;
  bool all_have_left() const;  // or say nothing any more
  bool has_usable(Role role, const std::set<comm::NodeId>& avoid = {}) const;
  // Nobody of the role can be given work now, but somebody may come back or become ready.
  bool may_return(Role role) const;

  void take(comm::NodeId node, const StatusMessage& status);
  // Its process has ended: what it said of itself is nobody's.
  void forget_status(comm::NodeId node);
  // Of KV memory, for a request that is placed there, or there no more: until the next status.
  void take_memory(comm::NodeId decode_node, std::int64_t tokens);
  void give_memory_back(comm::NodeId decode_node, std::int64_t tokens);
  // Whether a decode worker that can be given work may have so much memory when it is idle.
  bool may_fit(std::int64_t tokens) const;

  // For a policy; `loads` by node. Who is to be avoided counts as alive only where nobody else of
  // that role can be given work.
  scheduler::Snapshot snapshot(const std::map<comm::NodeId, WorkerLoad>& loads,
                               const std::set<comm::NodeId>& avoid) const;

  // "rank 3 (decode)"
  std::string name(comm::NodeId node) const;
  // Why nobody of this role can be given work: every one of them with its state.
  std::string why_none(Role role) const;

 private:
  std::map<comm::NodeId, Worker> workers_;
};

}  // namespace sluice::runtime
