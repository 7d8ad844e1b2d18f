// SPDX-License-Identifier: Apache-2.0
// What a router is told at its start, and what it tells: for the operator, a log and metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "comm/transport.hpp"
#include "runtime/config/config.hpp"
#include "runtime/request/check_request.hpp"
#include "runtime/telemetry/timeline.hpp"
#include "runtime/transfer/messages.hpp"
#include "scheduler/decision.hpp"
#include "scheduler/role_balance.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::runtime {

// A worker's last report, for the operator.
struct WorkerReport {
  comm::NodeId node = 0;
  Role role = Role::kPrefill;
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t memory_file_bytes = 0;
};

// What was decided for a request, and from what. All is borrowed for the call.
struct DecisionReport {
  RequestId request = 0;     // as in OutcomeReport, the same for all attempts
  std::int64_t attempt = 0;  // 1, 2, ...
  std::int64_t time_us = 0;  // on the router's clock
  std::string_view slo_class;
  // As the policy was asked. Its objective is divided by `correction`, with which times in
  // `decision` and `alternatives` are still to be multiplied.
  const scheduler::RequestShape& shape;
  const scheduler::Snapshot& snapshot;  // empty when it was refused before there was one
  const scheduler::Decision& decision;  // kWait is told once, however often it is asked again
  std::span<const scheduler::Alternative> alternatives;  // empty unless asked for
  std::string_view pipeline;  // as in SubmitMessage: empty is the cluster's
  double correction = 1.0;
  std::int64_t prefill_cached_tokens = 0;
  std::int64_t decode_cached_tokens = 0;
  std::int64_t queued = 0;  // requests that wait for their placement
};

// A request's first token, or its end without one.
struct OutcomeReport {
  RequestId request = 0;
  std::int64_t attempts = 0;
  std::string_view slo_class;
  double slo_s = 0.0;                   // of its class: to the first token
  const scheduler::Decision& decision;  // the last one
  // Submission to first token: as predicted when it was placed last, the correction within; 0: not.
  double predicted_s = 0.0;
  double measured_s = 0.0;          // 0: it ended without a token
  double before_s = 0.0;            // of both: until it was placed, as it happened
  const RequestTimeline& timeline;  // the workers' parts so far
};

// Functions are called on the router's thread, and may be empty.
struct RouterOptions {
  RequestLimits limits;
  // A worker has loaded this share (0..1) of its model; until on_ready.
  std::function<void(comm::NodeId, double)> on_loading;
  std::function<void()> on_ready;  // every worker is ready: requests are served
  // A sentence for the operator when a worker ends, falls silent, answers again, or has joined.
  std::function<void(const std::string&)> on_worker_change;
  // The same when a link's free rate has become another one.
  std::function<void(const std::string&)> on_link_change;
  TopologyConfig topology;  // the links that workers share

  SchedulerConfig scheduler;  // classes, queue, prefix blocks, levels' change, roles
  std::shared_ptr<const scheduler::LevelTable> levels;  // null: the cluster's pipeline for all
  scheduler::RoleBalanceOptions roles = {};             // where scheduler.switch_roles says so
  // By what predicted times are to be multiplied, as far as is known by now.
  std::function<double()> correction;
  bool wants_alternatives = false;  // in DecisionReport
  std::function<void(const DecisionReport&)> on_decision;
  std::function<void(const OutcomeReport&)> on_outcome;
};

}  // namespace sluice::runtime
