// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/router.hpp"

#include "runtime/router/open_requests.hpp"

namespace sluice::runtime {
namespace {

// Workers finish the chunk or step they are in before they say goodbye.
constexpr std::int64_t kGoodbyeTimeoutUs = 10'000'000;

Error stopping() { return make_error(ErrorCode::kUnavailable, "the server is stopping"); }

std::vector<std::string> hosts_of(const Cluster& cluster) {
  std::vector<std::string> hosts;
  for (const Hello& hello : cluster.hellos) hosts.push_back(hello.host);
  return hosts;
}

}  // namespace

Router::Router(Cluster& cluster, std::unique_ptr<scheduler::Policy> policy, RouterOptions options)
    : WorkerNode(cluster),
      policy_(std::move(policy)),
      options_(std::move(options)),
      links_(options_.topology, hosts_of(cluster)),
      queue_(classes_of(options_.scheduler), options_.scheduler.queue_max),
      role_balance_(options_.roles) {
  for (const Role role : {Role::kPrefill, Role::kDecode}) {
    for (const comm::NodeId node : cluster.nodes_of(role)) roster_.add(node, role);
  }
}

Status Router::run() {
  begin();
  loop();
  return finish();
}

void Router::begin() {
  // A peer's death is noticed on a connection of ours, and so far only they have sent to us.
  for (const auto& [node, worker] : roster_.workers()) {
    watch(node);
    if (const Status opened = cluster_.transport->flush(node, 0); !opened) {
      on_peer_lost(node, opened, comm::PeerFate::kUnknown);
    }
  }
}

Status Router::finish() {
  ended_ = true;
  refuse_late();
  return end_;
}

// What came when the loop was over. Any thread; the mailbox orders it with ended_.
void Router::refuse_late() {
  for (Command& command : commands_.drain()) {
    if (auto* late = std::get_if<Submission>(&command)) late->stream->fail(stopping());
    if (auto* late = std::get_if<Admission>(&command)) late->answer.set_value(stopping());
  }
}

void Router::stop() {
  stop_asked_ = true;
  cluster_.transport->wake();
}

Result<std::unique_ptr<GenerateStream>> Router::submit(GenerateRequest request) {
  SLUICE_TRY(check_request(request, options_.limits));
  const std::int32_t slo_class = SLUICE_TRY(find_class(request.slo_class));
  if (stop_asked_) return stopping();
  if (open_requests_.fetch_add(1) >= kOpenRequestsMax) {
    open_requests_.fetch_sub(1);
    return make_error(ErrorCode::kResourceExhausted, "too many requests are open");
  }
  const RequestId id = next_id_++;
  const std::int64_t submitted_us = now_us();
  auto stream = std::make_shared<TokenStream>(submitted_us);
  commands_.push(Submission{id, std::move(request), stream, slo_class, submitted_us});
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

Result<JoinAnswer> Router::join(comm::NodeId node, Hello hello) {
  Admission admission{node, std::move(hello), {}};
  auto answer = admission.answer.get_future();
  commands_.push(std::move(admission));
  if (ended_) {
    refuse_late();
  } else {
    cluster_.transport->wake();
  }
  return answer.get();
}

Status Router::check_join(comm::NodeId node, Role role) const {
  if (stop_asked_) return stopping();
  const Roster::Worker* worker = roster_.find(node);
  if (worker == nullptr) return {};  // Cluster::admit() has the words for it
  if (!announced_) {
    return make_error(ErrorCode::kUnavailable, "the cluster is still starting");
  }
  // Who was drained joins again before the end of its process before is noticed.
  const bool has_left = worker->is_draining && worker->said_goodbye;
  if (worker->is_alive && !worker->is_silent && !has_left) {
    return make_error(ErrorCode::kUnavailable,
                      roster_.name(node) + " is alive and answers: end that process first");
  }
  return check_role(node, role);
}

Result<JoinAnswer> Router::take_join(comm::NodeId node, Hello hello) {
  SLUICE_TRY(check_join(node, hello.role));
  if (node < cluster_.hellos.size()) hello.incarnation = cluster_.hellos[node].incarnation + 1;
  SLUICE_TRY(cluster_.admit(node, hello));
  admitted(node);
  return JoinAnswer{hello.incarnation, cluster_.router, cluster_.hellos};
}

void Router::on_joined(comm::NodeId node) {
  // Nothing of the process before is waited for; it can have been silent only.
  leave(node, "was replaced by another process");
  Roster::Worker& worker = *roster_.find(node);
  worker = {.role = cluster_.hellos[node].role, .has_joined = true};
  forget_figures(node);
  const JoinedMessage joined{node, cluster_.hellos[node].encode()};
  for (const auto& [other, state] : roster_.workers()) {
    if (other != node && state.is_alive) (void)send(other, MessageType::kJoined, joined);
  }
  watch(node);
  tell(roster_.name(node) + " has joined and loads its model");
}

void Router::on_message(comm::NodeId peer, MessageType type, Bytes payload) {
  has_changed_ = true;
  switch (type) {
    case MessageType::kLoading:
      return take_loading(peer, payload);
    case MessageType::kToken:
      return take_token(peer, payload);
    case MessageType::kFailed:
      return take_failed(peer, payload);
    case MessageType::kGoodbye:
      return take_goodbye(peer, payload);
    case MessageType::kLinks:
      return take_links(peer, payload);
    case MessageType::kStatus:
      return take_status(peer, payload);
    case MessageType::kPrefixes:
      return take_prefixes(peer, payload);
    default:
      return;  // not for this role
  }
}

void Router::take_loading(comm::NodeId peer, Bytes payload) {
  const auto loading = LoadingMessage::decode(payload);
  Roster::Worker* worker = roster_.find(peer);
  if (!loading || worker == nullptr || !worker->is_alive) return;
  if (!loading->error.empty()) {
    const std::string sentence = roster_.name(peer) + ": " + loading->error;
    worker->said_goodbye = true;
    if (worker->has_joined) {
      worker->is_alive = false;
      return tell(sentence);
    }
    end_ = make_error(ErrorCode::kUnavailable, sentence);
    return stop();
  }
  if (loading->ready && !worker->is_ready && worker->has_joined) {
    tell(roster_.name(peer) + " is ready");
  }
  worker->is_ready = worker->is_ready || loading->ready;
  if (announced_) return;
  if (options_.on_loading) options_.on_loading(peer, loading->done);
  if (!roster_.all_ready()) return;
  announced_ = true;
  if (options_.on_ready) options_.on_ready();
}

void Router::on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate /*fate*/) {
  Roster::Worker* worker = roster_.find(peer);
  if (worker == nullptr || !worker->is_alive) return;
  worker->is_alive = false;
  worker->is_silent = false;
  const bool was_expected = std::exchange(worker->said_goodbye, true);
  if (!worker->is_ready && !worker->has_joined && !shutdown_since_us_) {
    end_ = make_error(ErrorCode::kUnavailable,
                      roster_.name(peer) + " went away while loading: " + why.error().message);
    stop();
  }
  if (!was_expected) {
    worker->becomes.reset();
    tell(roster_.name(peer) + " has ended: " + why.error().message);
  }
  forget_figures(peer);
  has_changed_ = true;
  leave(peer, "went away with the request");
}

void Router::on_peer_silent(comm::NodeId peer) {
  Roster::Worker* worker = roster_.find(peer);
  if (worker == nullptr || !worker->is_alive) return;
  worker->is_silent = true;
  worker->silent_since_us = now_us();
  if (!announced_ || shutdown_since_us_) return;
  tell(roster_.name(peer) + " does not answer");
  for (const RequestId id : waiting_for(peer)) {
    Request& request = requests_.at(id);
    // With nobody else to do it, the wait goes on for a while.
    if (request.next_index != 0 || !roster_.has_usable(worker->role)) continue;
    retry(id, make_error(ErrorCode::kUnavailable, roster_.name(peer) + " does not answer"), {peer});
  }
}

void Router::on_peer_back(comm::NodeId peer) {
  Roster::Worker* worker = roster_.find(peer);
  if (worker == nullptr) return;
  worker->is_silent = false;
  has_changed_ = true;
  if (announced_ && !shutdown_since_us_) tell(roster_.name(peer) + " answers again");
}

void Router::take_goodbye(comm::NodeId peer, Bytes payload) {
  const auto goodbye = GoodbyeMessage::decode(payload);
  Roster::Worker* worker = roster_.find(peer);
  if (!goodbye || worker == nullptr || worker->said_goodbye) return;
  worker->said_goodbye = true;
  reports_.push_back({peer, worker->role, goodbye->memory_peak_bytes, goodbye->memory_file_bytes});
}

void Router::take_links(comm::NodeId peer, Bytes payload) {
  const auto links = LinksMessage::decode(payload);
  if (!links || roster_.find(peer) == nullptr) return;
  links_.take(peer, *links, now_us());
  for (const LinkChange& change : links_.take_changes()) {
    if (options_.on_link_change) options_.on_link_change(text_of(change));
  }
}

void Router::take_status(comm::NodeId peer, Bytes payload) {
  const auto status = StatusMessage::decode(payload);
  const Roster::Worker* worker = roster_.find(peer);
  if (status && worker != nullptr && worker->is_alive) roster_.take(peer, *status);
}

void Router::take_prefixes(comm::NodeId peer, Bytes payload) {
  const auto prefixes = PrefixesMessage::decode(payload);
  const Roster::Worker* worker = roster_.find(peer);
  if (!prefixes || worker == nullptr || !worker->is_alive) return;
  prefixes_.evict(peer, prefixes->evicted);
  prefixes_.store(peer, prefixes->stored);
}

// Of a process that has ended, or in whose place there is another one.
void Router::forget_figures(comm::NodeId node) {
  links_.forget(node);
  prefixes_.forget(node);
  roster_.forget_status(node);
}

void Router::tell(const std::string& sentence) {
  if (options_.on_worker_change && !shutdown_since_us_) options_.on_worker_change(sentence);
}

void Router::begin_shutdown() {
  shutdown_since_us_ = now_us();
  while (!requests_.empty()) cancel(requests_.begin()->first);
  for (const auto& [node, worker] : roster_.workers()) {
    if (!worker.is_alive) continue;
    (void)cluster_.transport->send(node, static_cast<std::uint16_t>(MessageType::kShutdown), {});
  }
}

bool Router::shutdown_is_over() const {
  return roster_.all_have_left() || now_us() - *shutdown_since_us_ > kGoodbyeTimeoutUs;
}

void Router::take(Command& command) {
  if (auto* submission = std::get_if<Submission>(&command)) return take(std::move(*submission));
  if (auto* admission = std::get_if<Admission>(&command)) {
    return admission->answer.set_value(take_join(admission->node, std::move(admission->hello)));
  }
  cancel(std::get<RequestId>(command));
}

void Router::on_turn() {
  for (Command& command : commands_.drain()) take(command);
  place_waiting();
  if (!shutdown_since_us_) {
    balance_roles();
    tell_drained();
  }
  give_up_on_silent();
  if (stop_asked_ && !shutdown_since_us_) begin_shutdown();
  if (shutdown_since_us_ && shutdown_is_over()) end_loop();
}

}  // namespace sluice::runtime
