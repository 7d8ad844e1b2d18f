// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/roster.hpp"

#include <algorithm>

namespace sluice::runtime {
namespace {

const char* state_of(const Roster::Worker& worker) {
  if (!worker.is_alive) return "has ended";
  if (worker.is_silent) return "does not answer";
  return worker.is_ready ? "is ready" : "is loading its model";
}

}  // namespace

void Roster::add(comm::NodeId node, Role role) { workers_[node].role = role; }

Roster::Worker* Roster::find(comm::NodeId node) {
  const auto found = workers_.find(node);
  return found == workers_.end() ? nullptr : &found->second;
}

const Roster::Worker* Roster::find(comm::NodeId node) const {
  const auto found = workers_.find(node);
  return found == workers_.end() ? nullptr : &found->second;
}

bool Roster::all_ready() const {
  return std::all_of(workers_.begin(), workers_.end(),
                     [](const auto& entry) { return entry.second.is_ready; });
}

bool Roster::all_have_left() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& entry) {
    return entry.second.said_goodbye || entry.second.is_silent;
  });
}

bool Roster::has_usable(Role role, const std::set<comm::NodeId>& avoid) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second.role == role && entry.second.is_usable() && !avoid.contains(entry.first);
  });
}

bool Roster::may_return(Role role) const {
  return !has_usable(role) && std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second.role == role && entry.second.is_alive;
  });
}

scheduler::Snapshot Roster::snapshot(const std::map<comm::NodeId, WorkerLoad>& loads,
                                     const std::set<comm::NodeId>& avoid) const {
  scheduler::Snapshot snapshot;
  for (const Role role : {Role::kPrefill, Role::kDecode}) {
    auto& states = role == Role::kPrefill ? snapshot.prefill : snapshot.decode;
    const bool has_others = has_usable(role, avoid);
    for (const auto& [node, worker] : workers_) {
      if (worker.role != role) continue;
      scheduler::WorkerState state;
      state.node = node;
      state.alive = worker.is_usable() && !(has_others && avoid.contains(node));
      if (const auto load = loads.find(node); load != loads.end()) {
        state.requests = load->second.requests;
        state.queued_tokens = load->second.queued_tokens;
      }
      states.push_back(state);
    }
  }
  return snapshot;
}

std::string Roster::name(comm::NodeId node) const {
  const Worker* worker = find(node);
  return "rank " + std::to_string(node) +
         (worker == nullptr ? "" : std::string(" (") + role_name(worker->role) + ")");
}

std::string Roster::why_none(Role role) const {
  std::string why = "no " + std::string(role_name(role)) + " worker can take the request";
  const char* between = ": ";
  for (const auto& [node, worker] : workers_) {
    if (worker.role != role) continue;
    why.append(between).append("rank ").append(std::to_string(node)).append(" ");
    why.append(state_of(worker));
    between = ", ";
  }
  return why;
}

}  // namespace sluice::runtime
