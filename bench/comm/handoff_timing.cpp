// SPDX-License-Identifier: Apache-2.0
#include "bench/comm/handoff_timing.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>

#include "bench/comm/handoff_child.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t kWarmUp = 20;
constexpr std::size_t kPlainEvery = 5;  // handoffs
constexpr std::size_t kPlainAtEnd = 15;
constexpr std::chrono::milliseconds kRest{100};

// What the sender's process leaves behind.
struct Left {
  double all_us = 0;
  std::size_t plain_count = 0;
  char way[256] = {};
};

struct Shared {
  Moments* moments = nullptr;  // by handoff, from 1 on
  double* plain_us = nullptr;
  Left* left = nullptr;
};

Packet wait_packet(int socket) {
  for (;;) {
    pollfd one{socket, POLLIN, 0};
    ::poll(&one, 1, -1);
    bool is_over = false;
    if (auto packet = receive_packet(socket, &is_over)) return std::move(*packet);
    if (is_over) fail("the other side is gone");
  }
}

template <class SideType>
void greet(SideType& side, int socket, comm::NodeId peer, std::vector<std::byte> key) {
  Packet hello;
  hello.address = side.transport().address();
  hello.key = std::move(key);
  if (!send_packet(socket, hello)) fail("the other side is gone");
  const Packet other = wait_packet(socket);
  side.meet(peer, other.address, other.key);
}

template <class SideType>
void turn(SideType& side, bool is_spinning) {
  if (!side.turn() && !is_spinning) side.transport().wait(kRest);
}

void send_all(const TimingOptions& options, const SideOptions& own, const Shared& shared,
              int socket) {
  SenderSide side(own);
  greet(side, socket, kReceiver, {});
  const std::size_t bytes =
      options.load.bytes_of(1, 0) * static_cast<std::size_t>(options.load.frames);
  const std::size_t all = kWarmUp + options.handoffs;
  std::size_t opened = 0;
  std::size_t ended = 0;
  std::int64_t started_us = 0;
  while (ended < all) {
    if (ended == kWarmUp && opened == ended) started_us = side.transport().now_us();
    // The warm-up is over before the first that counts begins.
    while (opened < all && opened - ended < options.in_flight &&
           (opened != kWarmUp || ended == kWarmUp)) {
      if (opened == kWarmUp) started_us = side.transport().now_us();
      if (!side.open(opened + 1, /*at_once=*/true)) break;
      ++opened;
    }
    turn(side, options.is_spinning);
    for (const auto& each : side.take_ended()) {
      if (!each.status) fail(each.status.error().message);
      ++ended;
    }
    if (options.in_flight == 1 && opened == ended && ended % kPlainEvery == 0 && ended != 0) {
      const auto took_us = static_cast<double>(side.plain_write_us(bytes));
      if (ended > kWarmUp) shared.plain_us[shared.left->plain_count++] = took_us;
    }
  }
  shared.left->all_us = static_cast<double>(side.transport().now_us() - started_us);
  // The yardstick for several at a time: as much memory as they use, gone through in turns.
  for (std::size_t i = 0; options.in_flight > 1 && i < kPlainAtEnd; ++i) {
    shared.plain_us[shared.left->plain_count++] =
        static_cast<double>(side.plain_write_us(bytes * options.in_flight));
  }
  const std::string way = side.transport().describe(kReceiver);
  std::strncpy(shared.left->way, way.c_str(), sizeof shared.left->way - 1);
  Packet quit;
  quit.kind = Packet::Kind::kQuit;
  (void)send_packet(socket, quit);
}

void receive_all(const TimingOptions& options, const SideOptions& own, int socket) {
  ReceiverSide side(own);
  greet(side, socket, 1, side.arena_key());
  bool is_over = false;
  while (!is_over && !receive_packet(socket, &is_over)) {
    turn(side, options.is_spinning);
    (void)side.take_news();
  }
}

template <class Body>
pid_t start(const Body& body) {
  const pid_t process = ::fork();
  if (process < 0) fail("no process");
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // UCX speaks to the standard output: it is the report's
    body();
    ::_exit(0);
  }
  return process;
}

}  // namespace

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(static_cast<double>(values.size() - 1) * share + 0.5)];
}

Timing time_handoffs(const TimingOptions& options) {
  const std::size_t all = kWarmUp + options.handoffs;
  Shared shared;
  shared.moments = share_memory<Moments>(all + 1);
  shared.plain_us = share_memory<double>(all + kPlainAtEnd);
  shared.left = share_memory<Left>(1);
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) != 0) fail("no socket");
  SideOptions side;
  side.transport = options.transport;
  side.load = options.load;
  side.moments = shared.moments;
  side.arena_bytes = 4 * kMemoryBytes;  // nobody waits for a slot, and none is gone round
  const pid_t receiver = start([&] {
    ::close(sockets[0]);
    receive_all(options, side, sockets[1]);
  });
  side.self = 1;
  const pid_t sender = start([&] {
    ::close(sockets[1]);
    send_all(options, side, shared, sockets[0]);
  });
  ::close(sockets[0]);
  ::close(sockets[1]);
  for (const pid_t process : {sender, receiver}) {
    int status = 0;
    ::waitpid(process, &status, 0);
    if (status != 0) fail("a side failed");
  }
  Timing timing;
  timing.bytes = options.load.bytes_of(1, 0) * static_cast<std::size_t>(options.load.frames);
  timing.handoffs.assign(shared.moments + kWarmUp + 1, shared.moments + all + 1);
  timing.plain_us.assign(shared.plain_us, shared.plain_us + shared.left->plain_count);
  timing.all_us = shared.left->all_us;
  timing.way = shared.left->way;
  return timing;
}

}  // namespace sluice::bench
