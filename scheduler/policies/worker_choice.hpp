// SPDX-License-Identifier: Apache-2.0
// What policies share that choose each role's worker on its own: who may be chosen, how loads
// compare, and the decision that comes of it.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {

// Alive, and of a decode worker: with room for the prompt and all output tokens, where its memory
// is known. A prefill worker's memory does not count: what is placed there waits for it.
inline bool may_prefill(const WorkerState& worker) { return worker.alive; }

inline bool may_decode(const WorkerState& worker, const RequestShape& request) {
  return worker.alive && (worker.free_tokens < 0 ||
                          worker.free_tokens >= request.prompt_tokens + request.output_tokens_max);
}

inline bool any_alive(const std::vector<WorkerState>& workers) {
  for (const WorkerState& worker : workers) {
    if (worker.alive) return true;
  }
  return false;
}

// Loads by which workers compare, less is better. The node is the last part of each, so that no two
// are equal and the order in a snapshot says nothing.
//
// Prefill work is proportional to tokens; a decode step serves all sequences at once and costs by
// sequence.
inline auto load_by_tokens(const WorkerState& worker) {
  return std::tuple(worker.queued_tokens, worker.requests, worker.node);
}

inline auto load_by_requests(const WorkerState& worker) {
  return std::tuple(worker.requests, worker.queued_tokens, worker.node);
}

// The worker of the least load among those that `may`, which is asked only of those that would be
// it; null: there is none.
template <class May, class Load>
const WorkerState* least(const std::vector<WorkerState>& workers, May may, Load load) {
  const WorkerState* best = nullptr;
  decltype(load(workers.front())) best_load{};
  for (const WorkerState& worker : workers) {
    const auto its_load = load(worker);
    if ((best != nullptr && !(its_load < best_load)) || !may(worker)) continue;
    best = &worker;
    best_load = its_load;
  }
  return best;
}

inline bool is_pinned(const RequestShape& request) {
  return request.pinned_level >= 0 || request.is_pinned_elsewhere;
}

// The pipeline that the request's user named, else the cluster's.
inline std::int32_t given_level(const RequestShape& request) {
  return request.is_pinned_elsewhere ? -1 : request.pinned_level;
}

inline constexpr std::string_view kNoRoom = "no decode worker has room";

// Whether both roles have a live worker, as decide() must say first.
inline Result<void> check_roles(const Snapshot& snapshot) {
  if (!any_alive(snapshot.prefill)) {
    return make_error(ErrorCode::kUnavailable, "no prefill worker is alive");
  }
  if (!any_alive(snapshot.decode)) {
    return make_error(ErrorCode::kUnavailable, "no decode worker is alive");
  }
  return {};
}

// Places on these two. Null for `decode`: waits for room.
inline Decision place_on(const WorkerState& prefill, const WorkerState* decode,
                         const RequestShape& request, std::string_view reason,
                         std::vector<Alternative>* alternatives) {
  if (decode == nullptr) return Decision{.verdict = Verdict::kWait, .reason = kNoRoom};
  const Decision decision = {.prefill_node = prefill.node,
                             .decode_node = decode->node,
                             .level = given_level(request),
                             .reason = reason};
  if (alternatives != nullptr) {
    alternatives->push_back({.prefill_node = decision.prefill_node,
                             .decode_node = decision.decode_node,
                             .level = decision.level});
  }
  return decision;
}

// Each role's worker of the least load, whatever the other one is.
template <class PrefillLoad, class DecodeLoad>
Result<Decision> place_by_loads(const Snapshot& snapshot, const RequestShape& request,
                                PrefillLoad prefill_load, DecodeLoad decode_load,
                                std::string_view reason, std::vector<Alternative>* alternatives) {
  if (const auto roles = check_roles(snapshot); !roles) return roles.error();
  const auto has_room = [&](const WorkerState& worker) { return may_decode(worker, request); };
  return place_on(*least(snapshot.prefill, may_prefill, prefill_load),
                  least(snapshot.decode, has_room, decode_load), request, reason, alternatives);
}

}  // namespace sluice::scheduler
