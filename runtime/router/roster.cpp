// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/roster.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::runtime {
namespace {

const char* state_of(const Roster::Worker& worker) {
  if (!worker.is_alive) return "has ended";
  if (worker.is_silent) return "does not answer";
  if (worker.is_draining) return "takes no new work";
  return worker.is_ready ? "is ready" : "is loading its model";
}

// Of a peer: a number that can be calculated with.
double plain(double value) { return std::isfinite(value) && value > 0.0 ? value : 0.0; }

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
    const Worker& worker = entry.second;
    if (worker.becomes) return *worker.becomes == role;
    return worker.role == role && worker.is_alive && !worker.is_draining;
  });
}

void Roster::take(comm::NodeId node, const StatusMessage& status) {
  Worker* worker = find(node);
  if (worker == nullptr) return;
  worker->prefill_speed = {plain(status.prefill_fixed_s), plain(status.prefill_s_per_token),
                           plain(status.prefill_s_per_token_squared)};
  worker->step_s = plain(status.step_s);
  const double slowness = plain(status.codec_slowness);
  worker->codec_slowness = slowness > 0.0 ? slowness : 1.0;
  worker->free_tokens = std::max<std::int64_t>(status.free_tokens, -1);
  worker->free_tokens_max = std::max(worker->free_tokens_max, worker->free_tokens);
}

void Roster::forget_status(comm::NodeId node) {
  Worker* worker = find(node);
  if (worker == nullptr) return;
  worker->prefill_speed = {};
  worker->step_s = 0.0;
  worker->codec_slowness = 1.0;
  worker->free_tokens = worker->free_tokens_max = -1;
}

void Roster::take_memory(comm::NodeId decode_node, std::int64_t tokens) {
  Worker* worker = find(decode_node);
  if (worker == nullptr || worker->free_tokens < 0) return;
  worker->free_tokens = std::max<std::int64_t>(worker->free_tokens - tokens, 0);
}

void Roster::give_memory_back(comm::NodeId decode_node, std::int64_t tokens) {
  Worker* worker = find(decode_node);
  if (worker == nullptr || worker->free_tokens < 0) return;
  worker->free_tokens = std::min(worker->free_tokens + tokens, worker->free_tokens_max);
}

bool Roster::may_fit(std::int64_t tokens) const {
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    const Worker& worker = entry.second;
    return worker.role == Role::kDecode && worker.is_usable() &&
           (worker.free_tokens_max < 0 || worker.free_tokens_max >= tokens);
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
      state.prefill_speed = worker.prefill_speed;
      state.step_s = worker.step_s;
      state.codec_slowness = worker.codec_slowness;
      // Its last status may be from when it was still at work.
      state.free_tokens = state.requests == 0 ? worker.free_tokens_max : worker.free_tokens;
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
