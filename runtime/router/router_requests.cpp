// SPDX-License-Identifier: Apache-2.0
// The router's requests once they are placed: answered, failed, placed anew.
#include <algorithm>

#include "runtime/router/router.hpp"

namespace sluice::runtime {
namespace {

// Bytes that are corrupt so often are so by no accident.
constexpr std::int64_t kAttemptsMax = 3;
// Each attempt that somebody was unavailable for rules out a worker, but not more of them than
// these.
constexpr std::int64_t kUnavailableAttemptsMax = 8;
// Workers that talk to each other learn of a death before the router does. Where all who are left
// have failed a request, it waits so long for that news before one of them gets it again.
constexpr std::int64_t kNewsWaitUs = 500'000;

// What another worker, or the same at another time, may do better.
bool may_pass(const Error& error) {
  return error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kUnavailable ||
         error.code == ErrorCode::kTimeout;
}

// Enough to meet every worker that is gone before one learns of it, and one that is not.
std::int64_t attempts_max(const Error& error, std::size_t workers) {
  if (error.code == ErrorCode::kCorrupt) return kAttemptsMax;
  return std::clamp(static_cast<std::int64_t>(workers) + 1, kAttemptsMax, kUnavailableAttemptsMax);
}

}  // namespace

// The attempt that is under way has failed, or cannot be waited for.
void Router::retry(RequestId id, const Error& error, const std::set<comm::NodeId>& blamed) {
  Request& request = requests_.at(id);
  withdraw(request);
  if (!may_pass(error) || request.next_index != 0 ||
      request.attempts >= attempts_max(error, roster_.workers().size())) {
    const std::string times = request.attempts > 1 && may_pass(error)
                                  ? " (attempt " + std::to_string(request.attempts) + ")"
                                  : "";
    return fail(id, make_error(error.code, error.message + times));
  }
  auto& others_first = error.code == ErrorCode::kCorrupt ? request.suspect : request.avoid;
  others_first.insert(blamed.begin(), blamed.end());
  const bool has_others =
      blamed.empty() || std::any_of(blamed.begin(), blamed.end(), [&](comm::NodeId node) {
        return roster_.has_usable(roster_.find(node)->role, request.avoid);
      });
  request.held_until_us = has_others ? 0 : now_us() + kNewsWaitUs;
  request.prefilled = false;
  request.early.clear();
  place(id);
}

Router::Requests::iterator Router::find_attempt(RequestId attempt) {
  const auto found = attempts_.find(attempt);
  return found == attempts_.end() ? requests_.end() : requests_.find(found->second);
}

void Router::take_token(comm::NodeId peer, Bytes payload) {
  auto message = TokenMessage::decode(payload);
  if (!message) return;
  const auto found = find_attempt(message->request);
  if (found == requests_.end()) return;  // cancelled meanwhile, or placed anew
  Request& request = found->second;
  if (peer != request.decision.decode_node || message->index < request.next_index) return;
  request.prefilled = true;
  const std::int64_t index = message->index;
  request.early.emplace(index, std::move(*message));
  // Messages may overtake each other; tokens may not.
  while (!request.early.empty() && request.early.begin()->first == request.next_index) {
    TokenMessage token = std::move(request.early.begin()->second);
    request.early.erase(request.early.begin());
    token.timeline.attempts = request.attempts;
    token.timeline.predicted_us = request.predicted_us;
    if (request.next_index++ == 0) {
      request.asked.prompt = {};
      request.blocks.clear();
      report_outcome(found->first, token.timeline);
    }
    --request.tokens_left;
    request.stream->push({token.token, token.finish}, token.timeline, now_us());
    if (token.finish != FinishReason::kNone) return forget(found);
  }
}

void Router::take_failed(comm::NodeId peer, Bytes payload) {
  const auto failed = FailedMessage::decode(payload);
  if (!failed) return;
  const auto found = find_attempt(failed->request);
  if (found == requests_.end()) return;
  const Request& request = found->second;
  const scheduler::Decision placed = request.decision;
  const bool is_of_prefill = peer == placed.prefill_node && !request.prefilled;
  if (!is_of_prefill && peer != placed.decode_node) return;
  // Blocks that it is thought to have may be evicted meanwhile: nobody has failed.
  if (failed->code == ErrorCode::kUnavailable && request.decode_cached_tokens > 0 &&
      peer == placed.decode_node) {
    prefixes_.forget(peer);
    return retry(found->first, make_error(failed->code, failed->message), {});
  }
  // Who says that something is unavailable means the other side, who has waited too long is short
  // of something itself, and corrupt bytes may be either's.
  std::set<comm::NodeId> blamed{is_of_prefill ? placed.decode_node : placed.prefill_node};
  if (failed->code == ErrorCode::kTimeout) blamed = {peer};
  if (failed->code == ErrorCode::kCorrupt) blamed = {placed.prefill_node, placed.decode_node};
  // Where nobody else could take the other side's part, another partner may still reach it.
  std::set<comm::NodeId> avoid = request.avoid;
  avoid.insert(blamed.begin(), blamed.end());
  const Role blamed_role = is_of_prefill ? Role::kDecode : Role::kPrefill;
  if (!roster_.has_usable(blamed_role, avoid)) blamed.insert(peer);
  retry(found->first, make_error(failed->code, failed->message), blamed);
}

// Both workers may hold memory for the request; each frees its own. What they still say of it is
// not heard.
void Router::withdraw(Request& request) {
  if (request.attempt == 0) return;
  for (const comm::NodeId node :
       std::set{request.decision.prefill_node, request.decision.decode_node}) {
    const Roster::Worker* worker = roster_.find(node);
    if (worker == nullptr || !worker->is_alive) continue;
    (void)send(node, MessageType::kCancel, CancelMessage{request.attempt});
  }
  end_attempt(request);
}

void Router::end_attempt(Request& request) {
  if (request.attempt == 0) return;
  roster_.give_memory_back(request.decision.decode_node,
                           request.prompt_tokens + request.asked.tokens_max);
  attempts_.erase(request.attempt);
  request.attempt = 0;
  has_changed_ = true;
}

void Router::forget(Requests::iterator request) {
  end_attempt(request->second);
  waiting_.erase(request->first);
  queue_.remove(request->first);
  requests_.erase(request);
  open_requests_.fetch_sub(1);
}

void Router::fail(RequestId id, const Error& error, double retry_after_s) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  const Request& request = found->second;
  if (request.attempts > 0 && request.next_index == 0) report_outcome(id, {});
  request.stream->fail(error, retry_after_s);
  forget(found);
}

void Router::report_outcome(RequestId id, const RequestTimeline& timeline) {
  if (!options_.on_outcome) return;
  const Request& request = requests_.at(id);
  const scheduler::SloClass& slo = queue_.classes()[static_cast<std::size_t>(request.slo_class)];
  const bool is_answered = request.next_index > 0;
  const double before_s = seconds(request.placed_us - request.submitted_us);
  const double predicted_s = seconds(request.predicted_us);
  const double measured_s = is_answered ? seconds(now_us() - request.submitted_us) : 0.0;
  options_.on_outcome({.request = id,
                       .attempts = request.attempts,
                       .slo_class = slo.name,
                       .slo_s = slo.ttft_s,
                       .decision = request.decision,
                       .predicted_s = predicted_s,
                       .measured_s = measured_s,
                       .before_s = before_s,
                       .timeline = timeline});
}

void Router::cancel(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  withdraw(found->second);
  fail(id, make_error(ErrorCode::kCancelled, "the request was cancelled"));
}

// The requests that cannot end without this worker.
std::vector<RequestId> Router::waiting_for(comm::NodeId node) const {
  std::vector<RequestId> ids;
  for (const auto& [id, request] : requests_) {
    if (request.attempt == 0) continue;
    if (request.decision.decode_node == node ||
        (request.decision.prefill_node == node && !request.prefilled)) {
      ids.push_back(id);
    }
  }
  return ids;
}

// Nothing more comes from this worker; `what` it did.
void Router::leave(comm::NodeId node, const std::string& what) {
  for (const RequestId id : waiting_for(node)) {
    retry(id, make_error(ErrorCode::kUnavailable, roster_.name(node) + " " + what), {node});
  }
}

void Router::give_up_on_silent() {
  for (const auto& [node, worker] : roster_.workers()) {
    if (!worker.is_silent || now_us() - worker.silent_since_us < kPatienceUs) continue;
    for (const RequestId id : waiting_for(node)) {
      withdraw(requests_.at(id));
      fail(id, make_error(ErrorCode::kUnavailable,
                          roster_.name(node) + " has the request and does not answer"));
    }
  }
}

}  // namespace sluice::runtime
