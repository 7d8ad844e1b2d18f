// SPDX-License-Identifier: Apache-2.0
#include "comm/sim/world.hpp"

#include <algorithm>
#include <thread>

namespace sluice::comm::sim {

std::int64_t SimWorld::now_us() const {
  const Lock lock(mutex_);
  return now_ns_ / kNsPerUs;
}

// --- time ---------------------------------------------------------------------------------------

bool SimWorld::advance() {
  const Lock lock(mutex_);
  while (true) {
    if (is_someone_ready()) return true;
    const auto next = next_ns();
    if (!next) return false;
    now_ns_ = std::max(now_ns_, *next);
    has_acted_ = false;
    run_due();
    if (has_acted_) return true;
  }
}

bool SimWorld::is_someone_ready() {
  bool is_ready = false;
  for (auto& [token, process] : processes_) {
    if (process.is_dead || process.is_frozen) continue;
    const bool is_due =
        process.wait_until_ns && (process.is_woken || *process.wait_until_ns <= now_ns_);
    if (is_due) {
      process.wait_until_ns.reset();
      process.is_woken = false;
    }
    is_ready |= is_due || process.is_busy || !process.completions.empty();
  }
  return is_ready;
}

std::optional<std::int64_t> SimWorld::next_ns() const {
  auto next = schedule_.next_ns();
  for (const auto& [token, process] : processes_) {
    if (process.is_dead || process.is_frozen || !process.wait_until_ns) continue;
    next = next ? std::min(*next, *process.wait_until_ns) : *process.wait_until_ns;
  }
  return next;
}

void SimWorld::run_due() {
  while (const auto next = schedule_.next_ns()) {
    if (*next > now_ns_) return;
    schedule_.take()();
  }
}

void SimWorld::at(std::int64_t when_us, std::function<void()> act) {
  const Lock lock(mutex_);
  schedule_.add(std::max(when_us * kNsPerUs, now_ns_), [this, act = std::move(act)] {
    has_acted_ = true;
    act();
  });
}

void SimWorld::wait_until(Token self, std::int64_t timeout_us) {
  const Lock lock(mutex_);
  Process* process = find(self);
  if (process == nullptr) return;
  process->wait_until_ns = now_ns_ + (process->is_woken ? 0 : timeout_us * kNsPerUs);
  process->is_woken = false;
  process->is_busy = false;
}

void SimWorld::sleep(Token self, std::int64_t timeout_us) {
  // Threads that wait for each other's news without end must not wear out the clock.
  constexpr std::int64_t kIdleUs = 1'000'000;
  {
    const Lock lock(mutex_);
    Process* process = find(self);
    const std::int64_t end_ns = now_ns_ + std::min(timeout_us, kIdleUs) * kNsPerUs;
    const std::uint64_t before = arrivals_;
    while (process != nullptr && !process->is_woken && process->completions.empty() &&
           arrivals_ == before && now_ns_ < end_ns) {
      now_ns_ = std::max(now_ns_, std::min(schedule_.next_ns().value_or(end_ns), end_ns));
      run_due();
    }
    if (process != nullptr) process->is_woken = false;
  }
  std::this_thread::yield();
}

void SimWorld::wake(Token self) {
  const Lock lock(mutex_);
  if (Process* process = find(self)) process->is_woken = true;
}

std::size_t SimWorld::poll(Token self, std::span<Completion> completions) {
  const Lock lock(mutex_);
  Process* process = find(self);
  if (process == nullptr || process->is_frozen) return 0;
  auto& queue = process->completions;
  const std::size_t count = std::min(completions.size(), queue.size());
  for (std::size_t i = 0; i < count; ++i) {
    completions[i] = std::move(queue.front());
    queue.pop_front();
  }
  process->is_busy = count != 0;
  process->wait_until_ns.reset();
  return count;
}

// --- processes and their connections ------------------------------------------------------------

Process* SimWorld::find(Token token) {
  const auto found = processes_.find(token);
  return found == processes_.end() || found->second.is_dead ? nullptr : &found->second;
}

const Process* SimWorld::find(Token token) const {
  const auto found = processes_.find(token);
  return found == processes_.end() || found->second.is_dead ? nullptr : &found->second;
}

Token SimWorld::add_process(NodeId self) {
  const Lock lock(mutex_);
  const Token token = next_token_++;
  Process& process = processes_[token];
  process.token = token;
  process.self = self;
  return token;
}

void SimWorld::remove_process(Token token) {
  const Lock lock(mutex_);
  if (Process* process = find(token)) die(*process, false);
  const auto found = processes_.find(token);
  // What is still on its way from it needs its name; its memory goes.
  found->second.regions.clear();
}

void SimWorld::kill(NodeId node) {
  const Lock lock(mutex_);
  for (auto& [token, process] : processes_) {
    if (process.self == node && !process.is_dead) die(process, true);
  }
}

void SimWorld::die(Process& process, bool is_killed) {
  process.is_dead = true;
  process.is_killed = is_killed;
  process.completions.clear();
  process.pending.clear();
  process.connections.clear();
  for (auto& [pair, lane] : lanes_) {
    if (pair.first == process.token) lane.items.clear();
  }
  for (auto& [token, other] : processes_) {
    if (other.is_dead) continue;
    for (const auto& [peer, connection] : other.connections) {
      if (connection.token == process.token && !connection.is_lost) {
        plan_loss(token, peer, connection);
      }
    }
  }
}

void SimWorld::plan_loss(Token self, NodeId peer, const Connection& connection) {
  const std::int64_t half_us = std::max<std::int64_t>(1, options_.loss_notice_us / 2);
  const std::int64_t notice_us = half_us + random_.between(0, half_us);
  carry({find(self)->self, peer}, now_ns_ + notice_us * kNsPerUs,
        [this, self, peer, serial = connection.serial] { lose(self, peer, serial); });
}

void SimWorld::lose(Token self, NodeId peer, std::uint64_t serial) {
  Process* process = find(self);
  if (process == nullptr) return;
  const auto found = process->connections.find(peer);
  if (found == process->connections.end() || found->second.serial != serial) return;
  found->second.is_lost = true;
  const Error error =
      make_error(ErrorCode::kUnavailable, "peer " + std::to_string(peer) + " is lost");
  Completion lost;
  lost.kind = CompletionKind::kPeerLost;
  lost.peer = peer;
  lost.status = error;
  lost.fate = PeerFate::kGone;
  // The operations' ends before the news or after it: neither is promised.
  const bool is_news_first = random_.chance(0.5);
  if (is_news_first) push(*process, lost);
  fail_pending(*process, serial, error);
  if (!is_news_first) push(*process, lost);
}

void SimWorld::connect(Token self, NodeId peer, Token token) {
  const Lock lock(mutex_);
  Process* process = find(self);
  if (process == nullptr) return;
  const auto found = process->connections.find(peer);
  if (found != process->connections.end() && found->second.token == token &&
      !found->second.is_lost) {
    return;
  }
  // What the one it replaces has said, but was not taken yet, is not heard either.
  if (found != process->connections.end() && found->second.token != token) {
    std::erase_if(process->completions, [&](const Completion& completion) {
      return completion.kind == CompletionKind::kMessage && completion.peer == peer;
    });
  }
  close(self, peer);
  const Connection connection{token, next_serial_++};
  process->connections[peer] = connection;
  for (Completion& message : process->early[token]) push(*process, std::move(message));
  process->early.erase(token);
  // One that died before this has nobody left to tell us.
  if (find(token) == nullptr) plan_loss(self, peer, connection);
}

void SimWorld::close(Token self, NodeId peer) {
  const Lock lock(mutex_);
  Process* process = find(self);
  if (process == nullptr) return;
  const auto found = process->connections.find(peer);
  if (found == process->connections.end()) return;
  const std::uint64_t serial = found->second.serial;
  process->connections.erase(found);
  fail_pending(*process, serial, make_error(ErrorCode::kCancelled, "the connection was closed"));
}

bool SimWorld::is_connected(Token self, NodeId peer) const {
  const Lock lock(mutex_);
  return usable_connection(self, peer).has_value();
}

Result<Connection> SimWorld::usable_connection(Token self, NodeId peer) const {
  const Process* process = find(self);
  if (process == nullptr) {
    return make_error(ErrorCode::kUnavailable, "this simulated process has been killed");
  }
  const auto found = process->connections.find(peer);
  if (found == process->connections.end()) {
    return make_error(ErrorCode::kUnavailable,
                      "peer " + std::to_string(peer) + " is not connected");
  }
  if (found->second.is_lost) {
    return make_error(ErrorCode::kUnavailable, "peer " + std::to_string(peer) + " is lost");
  }
  return found->second;
}

// --- operations and messages --------------------------------------------------------------------

std::uint64_t SimWorld::post(Process& process, NodeId peer, const Connection& connection,
                             CompletionKind kind, OperationId operation) {
  const std::uint64_t serial = next_serial_++;
  process.pending[serial] = {kind, peer, connection.serial, operation};
  return serial;
}

void SimWorld::complete(Process& process, std::uint64_t serial, const Status& status) {
  const auto found = process.pending.find(serial);
  if (found == process.pending.end()) return;
  Completion completion;
  completion.kind = found->second.kind;
  completion.peer = found->second.peer;
  completion.operation = found->second.operation;
  completion.status = status;
  process.pending.erase(found);
  if (completion.operation != 0 || !status) push(process, std::move(completion));
}

void SimWorld::push(Process& process, Completion completion) {
  process.completions.push_back(std::move(completion));
  ++arrivals_;
}

void SimWorld::fail_pending(Process& process, std::uint64_t connection, const Error& error) {
  std::vector<std::uint64_t> serials;
  for (const auto& [serial, pending] : process.pending) {
    if (pending.connection == connection) serials.push_back(serial);
  }
  for (const std::uint64_t serial : serials) complete(process, serial, error);
}

Status SimWorld::send(Token self, NodeId peer, std::uint16_t type, Bytes payload,
                      OperationId operation) {
  const Lock lock(mutex_);
  const Connection connection = SLUICE_TRY(usable_connection(self, peer));
  Process& process = *find(self);
  if (observer_) observer_({Posted::Kind::kMessage, process.self, peer, type, payload});
  const std::uint64_t serial =
      post(process, peer, connection, CompletionKind::kSendDone, operation);
  Completion message;
  message.kind = CompletionKind::kMessage;
  message.peer = process.self;
  message.type = type;
  message.payload.assign(payload.begin(), payload.end());
  const auto took_ns = static_cast<std::int64_t>(static_cast<double>(payload.size()) * 1e9 /
                                                 link(process.self, peer).bytes_per_s);
  carry({process.self, peer}, now_ns_ + took_ns + flight_ns(process.self, peer),
        [this, self, to = connection.token, serial, message = std::move(message)]() mutable {
          deliver(self, to, serial, std::move(message));
        });
  return {};
}

void SimWorld::deliver(Token from, Token to, std::uint64_t serial, Completion message) {
  Process* target = find(to);
  if (target == nullptr || !still_arrives(processes_.at(from), *target)) return;
  // Another process has that name for the target: the sender of before is not told.
  const auto known = target->connections.find(message.peer);
  const bool is_welcome =
      known == target->connections.end() || (known->second.token == from && !known->second.is_lost);
  if (is_welcome) {
    push(*target, std::move(message));
  } else if (from > known->second.token) {
    target->early[from].push_back(std::move(message));  // of who will have that name
  }
  if (Process* sender = find(from)) complete(*sender, serial, {});
}

bool SimWorld::still_arrives(const Process& from, const Process& to) {
  if (!from.is_dead) return true;
  const auto known = to.connections.find(from.self);
  const bool knows_of_loss =
      known != to.connections.end() && (known->second.token != from.token || known->second.is_lost);
  if (knows_of_loss) return false;
  return !from.is_killed || random_.chance(0.5);
}

// --- links and faults ---------------------------------------------------------------------------

void SimWorld::carry(NodePair between, std::int64_t when_ns, std::function<void()> act) {
  const NodePair pair = std::minmax(between.first, between.second);
  schedule_.add(when_ns, [this, pair, act = std::move(act)] {
    const auto parted = parted_.find(pair);
    if (parted == parted_.end()) return act();
    parted->second.push_back(act);
  });
}

const LinkModel& SimWorld::link(NodeId from, NodeId to) const {
  const auto found = links_.find({from, to});
  return found == links_.end() ? options_.link : found->second;
}

std::int64_t SimWorld::flight_ns(NodeId from, NodeId to) {
  const LinkModel& model = link(from, to);
  return model.delay_us * kNsPerUs + random_.between(0, model.jitter_us * kNsPerUs);
}

void SimWorld::set_link(NodeId from, NodeId to, const LinkModel& model) {
  SLUICE_CHECK(model.bytes_per_s > 0, "a link without a rate; part the nodes instead");
  const Lock lock(mutex_);
  links_[{from, to}] = model;
}

void SimWorld::set_port(NodeId node, double bytes_per_s) {
  const Lock lock(mutex_);
  ports_[node].bytes_per_s = bytes_per_s;
}

void SimWorld::set_corrupt_write_chance(double chance) {
  const Lock lock(mutex_);
  options_.corrupt_write_chance = chance;
}

void SimWorld::observe(std::function<void(const Posted&)> observer) {
  const Lock lock(mutex_);
  observer_ = std::move(observer);
}

void SimWorld::set_partition(NodeId a, NodeId b, bool is_parted) {
  const Lock lock(mutex_);
  const NodePair pair = std::minmax(a, b);
  if (is_parted) {
    parted_.try_emplace(pair);
    return;
  }
  const auto found = parted_.find(pair);
  if (found == parted_.end()) return;
  const auto acts = std::move(found->second);
  parted_.erase(found);
  // At once and in their order: a flush may not overtake the writes before it.
  for (const auto& act : acts) act();
}

void SimWorld::set_frozen(NodeId node, bool is_frozen) {
  const Lock lock(mutex_);
  for (auto& [token, process] : processes_) {
    if (process.self == node && !process.is_dead) process.is_frozen = is_frozen;
  }
}

}  // namespace sluice::comm::sim
