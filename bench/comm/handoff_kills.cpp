// SPDX-License-Identifier: Apache-2.0
#include "bench/comm/handoff_kills.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "bench/comm/handoff_child.hpp"

namespace sluice::bench {
namespace {

using runtime::RequestId;

constexpr std::size_t kInFlightMax = 6;        // of a sender
constexpr std::int64_t kStuckUs = 20'000'000;  // a handoff, or a death, that nobody ends
constexpr std::int64_t kQuietUs = 5'000'000;   // for what is held to be given back
constexpr std::int64_t kAheadMax = 20;         // handoffs, of the next death
constexpr std::int64_t kMomentUs = 30'000;     // a death comes at any time of these

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A node and the process behind it now.
struct Node {
  comm::NodeId id = 0;
  pid_t process = 0;
  int socket = -1;
  std::uint64_t incarnation = 0;
  bool is_up = false;  // its process has said hello
  std::vector<std::byte> address;
  std::vector<std::byte> key;
  std::set<RequestId> owed;  // senders: submitted, and the end not heard of
  std::optional<Packet::Numbers> numbers;
};

struct Death {
  std::int64_t at_us = 0;
  std::set<comm::NodeId> awaited;  // who has not got everything back
};

class KillRun {
 public:
  explicit KillRun(const KillOptions& options) : options_(options), random_(options.seed) {
    for (comm::NodeId id = 0; id <= options.senders; ++id) {
      nodes_.push_back({});
      nodes_.back().id = id;
      start(nodes_.back());
    }
    plan_death();
  }
  ~KillRun() {
    for (Node& node : nodes_) {
      if (node.process == 0) continue;
      ::kill(node.process, SIGKILL);
      ::waitpid(node.process, nullptr, 0);
    }
  }
  KillRun(const KillRun&) = delete;
  KillRun& operator=(const KillRun&) = delete;

  nlohmann::json run() {
    const std::int64_t started_us = now_us();
    while (done_ < options_.handoffs || deaths_ < options_.deaths || !awaited_.empty()) {
      submit();
      listen(5);
      maybe_kill();
      check_stuck();
    }
    settle();
    return report(now_us() - started_us);
  }

 private:
  void start(Node& node);
  void introduce(Node& node);
  void submit();
  void listen(int timeout_ms);
  void drain(Node& node);
  void take(Node& node, const Packet& packet);
  void give_up(RequestId request);
  void maybe_kill();
  void kill(Node& node);
  void bury(Node& node, std::int64_t at_us);
  void replace_the_dead();
  void plan_death();
  void check_stuck() const;
  void settle();
  nlohmann::json report(std::int64_t took_us) const;

  const KillOptions options_;
  std::mt19937_64 random_;
  std::vector<Node> nodes_;                     // the receiver first
  std::map<RequestId, std::int64_t> attempts_;  // under way, and since when
  RequestId next_request_ = 1;
  std::int64_t done_ = 0;
  std::int64_t retries_ = 0;
  std::int64_t deaths_ = 0;
  std::int64_t receiver_deaths_ = 0;
  // Sides that an assertion of UCX's ended after another's death: 1.13 has some over TCP for a peer
  // that dies while it connects. They are deaths like others.
  std::int64_t aborted_ = 0;
  std::int64_t kill_after_done_ = 0;
  std::int64_t kill_at_us_ = 0;            // 0: not yet
  std::map<comm::NodeId, Death> awaited_;  // deaths, by who died
  std::vector<double> reclaim_us_;
  Checked* const checked_ = share_memory<Checked>(1);
};

void KillRun::start(Node& node) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) != 0) fail("no socket");
  ++node.incarnation;
  node.process = ::fork();
  if (node.process < 0) fail("no process");
  if (node.process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // UCX speaks to the standard output: it is the report's
    for (const Node& other : nodes_) {
      if (other.socket >= 0) ::close(other.socket);
    }
    ::close(sockets[0]);
    SideOptions side;
    side.transport = options_.transport;
    side.self = node.id;
    side.incarnation = node.incarnation;
    side.checked = checked_;
    run_child(side, sockets[1]);
    ::_exit(0);
  }
  ::close(sockets[1]);
  node.socket = sockets[0];
  node.is_up = false;
}

// Senders and the receiver meet.
void KillRun::introduce(Node& node) {
  for (Node& other : nodes_) {
    const bool is_pair = (other.id == kReceiver) != (node.id == kReceiver);
    if (!is_pair || !other.is_up) continue;
    for (const auto& [to, of] : {std::pair{&node, &other}, {&other, &node}}) {
      Packet packet;
      packet.kind = Packet::Kind::kMeet;
      packet.node = of->id;
      packet.address = of->address;
      packet.key = of->key;
      (void)send_packet(to->socket, packet);
    }
  }
}

void KillRun::submit() {
  if (!nodes_[kReceiver].is_up) return;
  // Whoever is left does not do all the work while another one starts.
  const std::int64_t most = deaths_ < options_.deaths
                                ? std::min(options_.handoffs, kill_after_done_ + kAheadMax)
                                : options_.handoffs;
  for (Node& node : nodes_) {
    if (node.id == kReceiver || !node.is_up) continue;
    while (node.owed.size() < kInFlightMax &&
           done_ + static_cast<std::int64_t>(attempts_.size()) < most) {
      Packet packet;
      packet.kind = Packet::Kind::kSubmit;
      packet.request = next_request_++;
      if (!send_packet(node.socket, packet)) return;
      node.owed.insert(packet.request);
      attempts_.emplace(packet.request, now_us());
    }
  }
}

void KillRun::listen(int timeout_ms) {
  std::vector<pollfd> sockets;
  for (const Node& node : nodes_) sockets.push_back({node.socket, POLLIN, 0});
  if (::poll(sockets.data(), sockets.size(), timeout_ms) <= 0) return;
  for (Node& node : nodes_) drain(node);
}

void KillRun::drain(Node& node) {
  if (node.socket < 0) return;
  bool is_over = false;
  while (const auto packet = receive_packet(node.socket, &is_over)) take(node, *packet);
  if (is_over && node.process != 0) {
    int status = 0;
    ::waitpid(node.process, &status, 0);
    const bool is_aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (!is_aborted) {
      node.process = 0;
      fail("side " + std::to_string(node.id) + " ended by itself, with " + std::to_string(status));
    }
    ++aborted_;
    bury(node, now_us());
  }
}

void KillRun::take(Node& node, const Packet& packet) {
  switch (packet.kind) {
    case Packet::Kind::kHello:
      node.address = packet.address;
      node.key = packet.key;
      node.is_up = true;
      return introduce(node);
    case Packet::Kind::kEnded:
      if (node.owed.erase(packet.request) == 0) fail("a handoff ended twice at its sender");
      if (!packet.is_good) give_up(packet.request);
      return;
    case Packet::Kind::kCame:
      if (!packet.is_good) return give_up(packet.request);
      done_ += static_cast<std::int64_t>(attempts_.erase(packet.request));
      return;
    case Packet::Kind::kReclaimed:
      if (const auto death = awaited_.find(packet.node); death != awaited_.end()) {
        if (death->second.awaited.erase(node.id) == 0) return;
        reclaim_us_.push_back(static_cast<double>(packet.time_us - death->second.at_us));
        replace_the_dead();
      }
      return;
    case Packet::Kind::kNumbers:
      node.numbers = packet.numbers;
      return;
    default:
      return;
  }
}

void KillRun::give_up(RequestId request) {
  retries_ += static_cast<std::int64_t>(attempts_.erase(request));
}

// Spread over the run, each at any moment of what is under way then.
void KillRun::plan_death() {
  kill_after_done_ = (deaths_ + 1) * options_.handoffs / (options_.deaths + 2);
  kill_at_us_ = 0;
}

void KillRun::maybe_kill() {
  const bool are_up =
      std::all_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.is_up; });
  if (deaths_ >= options_.deaths || !awaited_.empty() || !are_up || done_ < kill_after_done_)
    return;
  if (kill_at_us_ == 0) {
    kill_at_us_ = now_us() + static_cast<std::int64_t>(random_() % kMomentUs);
  }
  if (now_us() < kill_at_us_) return;
  const bool is_receiver = random_() % 2 == 0;
  kill(nodes_[is_receiver ? kReceiver : 1 + random_() % options_.senders]);
}

void KillRun::kill(Node& node) {
  ++deaths_;
  if (node.id == kReceiver) ++receiver_deaths_;
  const std::int64_t at_us = now_us();
  ::kill(node.process, SIGKILL);
  ::waitpid(node.process, nullptr, 0);
  // What it said before it died counts.
  bool is_over = false;
  while (const auto packet = receive_packet(node.socket, &is_over)) take(node, *packet);
  bury(node, at_us);
}

// Its process is gone, and so is what it had, whatever its peers hear.
void KillRun::bury(Node& node, std::int64_t at_us) {
  node.process = 0;
  node.is_up = false;
  ::close(node.socket);
  node.socket = -1;
  if (node.id == kReceiver) {
    retries_ += static_cast<std::int64_t>(attempts_.size());
    attempts_.clear();
  }
  for (const RequestId request : node.owed) give_up(request);
  node.owed.clear();
  Death death{.at_us = at_us, .awaited = {}};
  for (const Node& other : nodes_) {
    const bool is_pair = (other.id == kReceiver) != (node.id == kReceiver);
    if (is_pair && other.is_up) death.awaited.insert(other.id);
  }
  awaited_[node.id] = death;
  // It cannot say any more that it has got back what others held.
  for (auto& [dead, each] : awaited_) each.awaited.erase(node.id);
  replace_the_dead();
}

// Those of which all others have got everything back.
void KillRun::replace_the_dead() {
  for (auto each = awaited_.begin(); each != awaited_.end();) {
    if (!each->second.awaited.empty()) {
      ++each;
      continue;
    }
    Node& node = nodes_[each->first];
    each = awaited_.erase(each);
    start(node);
    plan_death();
  }
}

void KillRun::check_stuck() const {
  const std::int64_t now = now_us();
  for (const auto& [node, death] : awaited_) {
    if (now - death.at_us > kStuckUs) fail("what a dead side held is not given back");
  }
  for (const auto& [request, since_us] : attempts_) {
    if (now - since_us > kStuckUs) fail("handoff " + std::to_string(request) + " never ends");
  }
}

// All is done: what is still held must come back by itself.
void KillRun::settle() {
  const std::int64_t until_us = now_us() + kQuietUs;
  for (bool is_quiet = false; !is_quiet && now_us() < until_us;) {
    for (Node& node : nodes_) {
      node.numbers.reset();
      Packet ask;
      ask.kind = Packet::Kind::kAsk;
      (void)send_packet(node.socket, ask);
    }
    const auto is_told = [](const Node& node) { return node.numbers.has_value(); };
    while (!std::all_of(nodes_.begin(), nodes_.end(), is_told) && now_us() < until_us + kQuietUs) {
      listen(5);
    }
    is_quiet = std::all_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
      return node.numbers && node.numbers->held_bytes == 0 && node.owed.empty() &&
             node.numbers->open == 0 && node.numbers->waiting == 0;
    });
    if (!is_quiet) listen(20);
  }
  for (Node& node : nodes_) {
    Packet quit;
    quit.kind = Packet::Kind::kQuit;
    (void)send_packet(node.socket, quit);
    ::waitpid(node.process, nullptr, 0);
    node.process = 0;
  }
}

nlohmann::json KillRun::report(std::int64_t took_us) const {
  auto reclaim = reclaim_us_;
  std::sort(reclaim.begin(), reclaim.end());
  const auto quantile = [&](double share) {
    if (reclaim.empty()) return 0.0;
    return reclaim[static_cast<std::size_t>(share * static_cast<double>(reclaim.size() - 1))];
  };
  const Packet::Numbers receiver = nodes_[kReceiver].numbers.value_or(Packet::Numbers{});
  std::uint64_t staging = 0;
  std::size_t owed = 0;
  for (const Node& node : nodes_) {
    owed += node.owed.size();
    if (node.id != kReceiver && node.numbers) staging += node.numbers->held_bytes;
  }
  return {{"handoffs", done_},
          {"retries", retries_},
          {"deaths", deaths_},
          {"receiver_deaths", receiver_deaths_},
          {"aborted", aborted_},
          {"wrong_frames", checked_->wrong_frames.load()},
          {"checked_bytes", checked_->bytes.load()},
          {"leaked_slot_bytes", receiver.held_bytes},
          {"leaked_staging_bytes", staging},
          {"open_requests", receiver.open + receiver.waiting},
          {"unended", owed},
          {"reclaim_us", {{"p50", quantile(0.5)}, {"p99", quantile(0.99)}, {"max", quantile(1.0)}}},
          {"seconds", static_cast<double>(took_us) / 1e6}};
}

}  // namespace

nlohmann::json run_kills(const KillOptions& options) {
  KillRun run(options);
  return run.run();
}

}  // namespace sluice::bench
