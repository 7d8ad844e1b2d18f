// SPDX-License-Identifier: Apache-2.0
// The router's requests: placed, placed anew, answered.
#include <algorithm>

#include "runtime/router/router.hpp"

namespace sluice::runtime {
namespace {

// Bytes that are corrupt so often are so by no accident.
constexpr std::int64_t kAttemptsMax = 3;
// Each attempt that somebody was unavailable for rules out a worker, but not more of them than
// these.
constexpr std::int64_t kUnavailableAttemptsMax = 8;
// How long a request waits for a worker that may come back when there is no other.
constexpr std::int64_t kPatienceUs = 10'000'000;
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

std::map<comm::NodeId, WorkerLoad> Router::loads() const {
  std::map<comm::NodeId, WorkerLoad> loads;
  for (const auto& [id, request] : requests_) {
    if (request.attempt == 0) continue;
    if (!request.prefilled) {
      WorkerLoad& prefill = loads[request.decision.prefill_node];
      prefill.requests += 1;
      prefill.queued_tokens += request.prompt_tokens;
    }
    WorkerLoad& decode = loads[request.decision.decode_node];
    decode.requests += 1;
    decode.queued_tokens += request.tokens_left;
  }
  return loads;
}

void Router::take(Submission submission) {
  Request& request = requests_[submission.id];
  request.stream = std::move(submission.stream);
  request.asked = std::move(submission.request);
  request.prompt_tokens = static_cast<std::int64_t>(request.asked.prompt.size());
  request.tokens_left = request.asked.tokens_max;
  if (shutdown_since_us_) {
    return fail(submission.id, make_error(ErrorCode::kUnavailable, "the server is stopping"));
  }
  place(submission.id);
}

void Router::place(RequestId id) {
  Request& request = requests_.at(id);
  for (const Role role : {Role::kPrefill, Role::kDecode}) {
    if (roster_.has_usable(role)) continue;
    if (roster_.may_return(role)) return wait_for_workers(id);
    return fail(id, make_error(ErrorCode::kUnavailable, roster_.why_none(role)));
  }
  if (now_us() < request.held_until_us) return wait_for_workers(id);
  std::set<comm::NodeId> avoid = request.avoid;
  for (const comm::NodeId node : request.suspect) {
    std::set<comm::NodeId> more = avoid;
    more.insert(node);
    if (roster_.has_usable(roster_.find(node)->role, more)) avoid = std::move(more);
  }
  scheduler::Snapshot snapshot = roster_.snapshot(loads(), avoid);
  links_.fill(snapshot, now_us());
  const auto decision = policy_->decide(snapshot, {.prompt_tokens = request.prompt_tokens,
                                                   .output_tokens_max = request.asked.tokens_max});
  if (!decision) return fail(id, decision.error());
  waiting_.erase(id);
  request.waiting_since_us = 0;
  request.decision = *decision;
  // The first attempt has the request's own id; no id is given twice.
  request.attempt = request.attempts == 0 ? id : next_id_++;
  ++request.attempts;
  attempts_[request.attempt] = id;
  SubmitMessage submit;
  submit.request = request.attempt;
  submit.decode_node = decision->decode_node;
  submit.tokens_max = request.asked.tokens_max;
  submit.ignore_end = request.asked.ignore_end;
  submit.sampling = request.asked.sampling;
  submit.pipeline = request.asked.pipeline;
  submit.question_tokens = request.asked.question_tokens;
  submit.prompt = request.asked.prompt;
  if (const Status sent = send(decision->prefill_node, MessageType::kSubmit, submit); !sent) {
    retry(id, sent.error(), {decision->prefill_node});
  }
}

void Router::wait_for_workers(RequestId id) {
  Request& request = requests_.at(id);
  if (waiting_.insert(id).second) request.waiting_since_us = now_us();
}

void Router::place_waiting() {
  if (waiting_.empty()) return;
  for (const RequestId id : std::vector<RequestId>(waiting_.begin(), waiting_.end())) {
    const Request& request = requests_.at(id);
    const bool is_late = now_us() - request.waiting_since_us >= kPatienceUs;
    const Role missing = roster_.has_usable(Role::kPrefill) ? Role::kDecode : Role::kPrefill;
    if (is_late && !roster_.has_usable(missing)) {
      fail(id, make_error(ErrorCode::kUnavailable, roster_.why_none(missing)));
    } else {
      place(id);
    }
  }
}

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
  const bool has_others = std::any_of(blamed.begin(), blamed.end(), [&](comm::NodeId node) {
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
    if (request.next_index++ == 0) request.asked.prompt = {};
    --request.tokens_left;
    token.timeline.attempts = request.attempts;
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
  for (const comm::NodeId node : {request.decision.prefill_node, request.decision.decode_node}) {
    const Roster::Worker* worker = roster_.find(node);
    if (worker == nullptr || !worker->is_alive) continue;
    (void)send(node, MessageType::kCancel, CancelMessage{request.attempt});
  }
  attempts_.erase(request.attempt);
  request.attempt = 0;
}

void Router::forget(Requests::iterator request) {
  attempts_.erase(request->second.attempt);
  waiting_.erase(request->first);
  requests_.erase(request);
  open_requests_.fetch_sub(1);
}

void Router::fail(RequestId id, const Error& error) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  found->second.stream->fail(error);
  forget(found);
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
