// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/router.hpp"

#include <algorithm>

#include "runtime/router/open_requests.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// Workers finish the chunk or step they are in before they say goodbye.
constexpr std::int64_t kGoodbyeTimeoutUs = 10'000'000;

}  // namespace

Router::Router(Cluster& cluster, std::unique_ptr<scheduler::Policy> policy, RouterOptions options)
    : WorkerNode(cluster), policy_(std::move(policy)), options_(std::move(options)) {
  for (const Role role : {Role::kPrefill, Role::kDecode}) {
    for (const comm::NodeId node : cluster.nodes_of(role)) workers_[node].role = role;
  }
}

Status Router::run() {
  // A peer's death is noticed on a connection of ours, and so far only they have sent to us.
  for (const auto& [node, worker] : workers_) {
    if (const Status opened = cluster_.transport->flush(node, 0); !opened) {
      on_peer_lost(node, opened);
    }
  }
  loop();
  ended_ = true;
  refuse_late();
  return end_;
}

// A submission that came when the loop was over. Any thread; the mailbox orders it with ended_.
void Router::refuse_late() {
  for (Command& command : commands_.drain()) {
    if (auto* late = std::get_if<Submission>(&command)) {
      late->stream->fail(make_error(ErrorCode::kUnavailable, "the server is stopping"));
    }
  }
}

void Router::stop() {
  stop_asked_ = true;
  cluster_.transport->wake();
}

Result<std::unique_ptr<GenerateStream>> Router::submit(GenerateRequest request) {
  SLUICE_TRY(check_request(request, options_.limits));
  if (stop_asked_) return make_error(ErrorCode::kUnavailable, "the server is stopping");
  if (open_requests_.fetch_add(1) >= kOpenRequestsMax) {
    open_requests_.fetch_sub(1);
    return make_error(ErrorCode::kResourceExhausted, "too many requests are open");
  }
  const RequestId id = next_id_++;
  auto stream = std::make_shared<TokenStream>(monotonic_us());
  commands_.push(Submission{id, std::move(request), stream});
  if (ended_) {
    refuse_late();
  } else {
    cluster_.transport->wake();
  }
  return make_generate_stream(std::move(stream), [this, id] {
    commands_.push(id);
    cluster_.transport->wake();
  });
}

void Router::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  switch (type) {
    case MessageType::kLoading:
      return take_loading(peer, payload);
    case MessageType::kToken:
      return take_token(payload);
    case MessageType::kFailed:
      return take_failed(payload);
    case MessageType::kGoodbye:
      return take_goodbye(peer, payload);
    default:
      return;  // not for this role
  }
}

void Router::take_loading(comm::NodeId peer, Bytes payload) {
  const auto loading = LoadingMessage::decode(payload);
  const auto worker = workers_.find(peer);
  if (!loading || worker == workers_.end()) return;
  if (!loading->error.empty()) {
    end_ = make_error(ErrorCode::kUnavailable, "rank " + std::to_string(peer) + " (" +
                                                   role_name(worker->second.role) +
                                                   "): " + loading->error);
    worker->second.said_goodbye = true;
    return stop();
  }
  worker->second.ready = worker->second.ready || loading->ready;
  if (options_.on_loading) options_.on_loading(peer, loading->done);
  const bool all_ready = std::all_of(workers_.begin(), workers_.end(),
                                     [](const auto& entry) { return entry.second.ready; });
  if (!all_ready || announced_) return;
  announced_ = true;
  if (options_.on_ready) options_.on_ready();
}

scheduler::Snapshot Router::snapshot() const {
  scheduler::Snapshot snapshot;
  for (const auto& [node, worker] : workers_) {
    scheduler::WorkerState state{.node = node, .alive = worker.alive};
    for (const auto& [id, request] : requests_) {
      if (worker.role == Role::kPrefill && request.decision.prefill_node == node) {
        state.requests += request.prefilled ? 0 : 1;
        state.queued_tokens += request.prefilled ? 0 : request.prompt_tokens;
      }
      if (worker.role == Role::kDecode && request.decision.decode_node == node) {
        state.requests += 1;
        state.queued_tokens += request.tokens_left;
      }
    }
    (worker.role == Role::kPrefill ? snapshot.prefill : snapshot.decode).push_back(state);
  }
  return snapshot;
}

void Router::place(Submission submission) {
  const auto prompt_tokens = static_cast<std::int64_t>(submission.request.prompt.size());
  const auto decision = policy_->decide(
      snapshot(),
      {.prompt_tokens = prompt_tokens, .output_tokens_max = submission.request.tokens_max});
  Request& request = requests_[submission.id];
  request.stream = std::move(submission.stream);
  request.prompt_tokens = prompt_tokens;
  request.tokens_left = submission.request.tokens_max;
  if (shutdown_since_us_) {
    return fail(submission.id, make_error(ErrorCode::kUnavailable, "the server is stopping"));
  }
  if (!decision) return fail(submission.id, decision.error());
  request.decision = *decision;
  SubmitMessage submit;
  submit.request = submission.id;
  submit.decode_node = decision->decode_node;
  submit.tokens_max = submission.request.tokens_max;
  submit.ignore_end = submission.request.ignore_end;
  submit.sampling = submission.request.sampling;
  submit.pipeline = std::move(submission.request.pipeline);
  submit.question_tokens = submission.request.question_tokens;
  submit.prompt = std::move(submission.request.prompt);
  if (const Status sent = send(decision->prefill_node, MessageType::kSubmit, submit); !sent) {
    fail(submission.id, sent.error());
  }
}

void Router::take_token(Bytes payload) {
  auto message = TokenMessage::decode(payload);
  if (!message) return;
  const auto found = requests_.find(message->request);
  if (found == requests_.end()) return;  // cancelled meanwhile
  Request& request = found->second;
  request.prefilled = true;
  request.early.emplace(message->index, *message);
  // Messages may overtake each other; tokens may not.
  while (!request.early.empty() && request.early.begin()->first == request.next_index) {
    const TokenMessage token = std::move(request.early.begin()->second);
    request.early.erase(request.early.begin());
    ++request.next_index;
    --request.tokens_left;
    request.stream->push({token.token, token.finish}, token.timeline);
    if (token.finish != FinishReason::kNone) {
      requests_.erase(found);
      open_requests_.fetch_sub(1);
      return;
    }
  }
}

void Router::take_failed(Bytes payload) {
  const auto failed = FailedMessage::decode(payload);
  if (!failed) return;
  const auto found = requests_.find(failed->request);
  if (found == requests_.end()) return;
  // The other worker may hold memory for it, and not know.
  withdraw(found->second, failed->request);
  fail(failed->request, make_error(failed->code, failed->message));
}

// Both workers may hold memory for the request; each frees its own.
void Router::withdraw(const Request& request, RequestId id) {
  for (const comm::NodeId node : {request.decision.prefill_node, request.decision.decode_node}) {
    const auto worker = workers_.find(node);
    if (worker == workers_.end() || !worker->second.alive) continue;
    (void)send(node, MessageType::kCancel, CancelMessage{id});
  }
}

void Router::fail(RequestId id, const Error& error) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  found->second.stream->fail(error);
  requests_.erase(found);
  open_requests_.fetch_sub(1);
}

void Router::cancel(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  withdraw(found->second, id);
  fail(id, make_error(ErrorCode::kCancelled, "the request was cancelled"));
}

void Router::on_peer_lost(comm::NodeId peer, const Status& status) {
  const auto worker = workers_.find(peer);
  if (worker == workers_.end() || !worker->second.alive) return;
  worker->second.alive = false;
  worker->second.said_goodbye = true;
  if (!worker->second.ready && !shutdown_since_us_) {
    end_ = make_error(ErrorCode::kUnavailable,
                      "rank " + std::to_string(peer) + " (" + role_name(worker->second.role) +
                          ") went away while loading: " + status.error().message);
    stop();
  }
  std::vector<RequestId> lost;
  for (const auto& [id, request] : requests_) {
    if (request.decision.decode_node == peer ||
        (request.decision.prefill_node == peer && !request.prefilled)) {
      lost.push_back(id);
    }
  }
  for (const RequestId id : lost) {
    withdraw(requests_.at(id), id);
    fail(id, make_error(ErrorCode::kUnavailable, "rank " + std::to_string(peer) + " (" +
                                                     role_name(worker->second.role) +
                                                     ") went away with the request"));
  }
}

void Router::take_goodbye(comm::NodeId peer, Bytes payload) {
  const auto goodbye = GoodbyeMessage::decode(payload);
  const auto worker = workers_.find(peer);
  if (!goodbye || worker == workers_.end()) return;
  worker->second.said_goodbye = true;
  reports_.push_back(
      {peer, worker->second.role, goodbye->memory_peak_bytes, goodbye->memory_file_bytes});
}

void Router::begin_shutdown() {
  shutdown_since_us_ = monotonic_us();
  while (!requests_.empty()) cancel(requests_.begin()->first);
  for (const auto& [node, worker] : workers_) {
    if (!worker.alive) continue;
    (void)cluster_.transport->send(node, static_cast<std::uint16_t>(MessageType::kShutdown), {});
  }
}

bool Router::shutdown_is_over() const {
  const bool all_gone = std::all_of(workers_.begin(), workers_.end(),
                                    [](const auto& entry) { return entry.second.said_goodbye; });
  return all_gone || monotonic_us() - *shutdown_since_us_ > kGoodbyeTimeoutUs;
}

void Router::on_turn() {
  for (Command& command : commands_.drain()) {
    if (auto* submission = std::get_if<Submission>(&command)) {
      place(std::move(*submission));
    } else {
      cancel(std::get<RequestId>(command));
    }
  }
  if (stop_asked_ && !shutdown_since_us_) begin_shutdown();
  if (shutdown_since_us_ && shutdown_is_over()) end_loop();
}

}  // namespace sluice::runtime
