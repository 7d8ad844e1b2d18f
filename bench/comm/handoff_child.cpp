// SPDX-License-Identifier: Apache-2.0
#include "bench/comm/handoff_child.hpp"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <variant>

namespace sluice::bench {
namespace {

constexpr std::size_t kPacketBytesMax = std::size_t{64} << 10;

struct FixedPart {
  Packet::Kind kind;
  comm::NodeId node;
  std::uint64_t is_good;
  runtime::RequestId request;
  std::int64_t time_us;
  Packet::Numbers numbers;
  std::uint64_t address_bytes;
  std::uint64_t key_bytes;
};

Packet packet_of(Packet::Kind kind) {
  Packet packet;
  packet.kind = kind;
  return packet;
}

// A sender and what it is still to open.
struct Sending {
  SenderSide side;
  std::deque<runtime::RequestId> to_open;

  explicit Sending(const SideOptions& options) : side(options) {}

  void submit(runtime::RequestId request) { to_open.push_back(request); }
  void report(int socket) {
    while (!to_open.empty() && side.open(to_open.front(), /*at_once=*/false)) to_open.pop_front();
    for (const auto& ended : side.take_ended()) {
      Packet packet = packet_of(Packet::Kind::kEnded);
      packet.request = ended.request;
      packet.is_good = ended.status.has_value();
      (void)send_packet(socket, packet);
    }
  }
  Packet::Numbers numbers() const {
    return {.held_bytes = side.memory_taken(), .open = to_open.size()};
  }
  std::vector<std::byte> key() { return {}; }
};

struct Receiving {
  ReceiverSide side;

  explicit Receiving(const SideOptions& options) : side(options) {}

  void submit(runtime::RequestId) {}
  void report(int socket) {
    for (const auto& news : side.take_news()) {
      Packet packet = packet_of(Packet::Kind::kCame);
      packet.request = news.request;
      packet.is_good = news.is_complete;
      (void)send_packet(socket, packet);
    }
  }
  Packet::Numbers numbers() const {
    const auto memory = side.memory();
    return {.held_bytes = memory.taken_bytes,
            .quarantined = memory.quarantined_bytes,
            .waiting = memory.waiting,
            .open = side.open_requests()};
  }
  std::vector<std::byte> key() { return side.arena_key(); }
};

// False: it is time to go.
template <class Work>
bool obey(Work& work, int socket) {
  bool is_over = false;
  while (const auto packet = receive_packet(socket, &is_over)) {
    switch (packet->kind) {
      case Packet::Kind::kMeet:
        work.side.meet(packet->node, packet->address, packet->key);
        break;
      case Packet::Kind::kSubmit:
        work.submit(packet->request);
        break;
      case Packet::Kind::kAsk: {
        Packet answer = packet_of(Packet::Kind::kNumbers);
        answer.numbers = work.numbers();
        (void)send_packet(socket, answer);
        break;
      }
      case Packet::Kind::kQuit:
        return false;
      default:
        break;
    }
  }
  return !is_over;
}

template <class Work>
void run(const SideOptions& options, int socket) {
  Work work(options);
  Packet hello = packet_of(Packet::Kind::kHello);
  hello.address = work.side.transport().address();
  hello.key = work.key();
  if (!send_packet(socket, hello)) return;
  while (obey(work, socket)) {
    const bool is_busy = work.side.turn();
    work.report(socket);
    for (const comm::NodeId node : work.side.take_reclaimed()) {
      Packet packet = packet_of(Packet::Kind::kReclaimed);
      packet.node = node;
      packet.time_us = work.side.transport().now_us();
      (void)send_packet(socket, packet);
    }
    // The socket is looked at as often as that.
    if (!is_busy) work.side.transport().wait(std::chrono::milliseconds(1));
  }
}

}  // namespace

bool send_packet(int socket, const Packet& packet) {
  const FixedPart fixed{packet.kind,           packet.node,      packet.is_good ? 1U : 0U,
                        packet.request,        packet.time_us,   packet.numbers,
                        packet.address.size(), packet.key.size()};
  std::vector<std::byte> bytes(sizeof fixed + packet.address.size() + packet.key.size());
  std::memcpy(bytes.data(), &fixed, sizeof fixed);
  std::copy(packet.address.begin(), packet.address.end(), bytes.begin() + sizeof fixed);
  std::copy(packet.key.begin(), packet.key.end(),
            bytes.end() - static_cast<std::ptrdiff_t>(packet.key.size()));
  return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

std::optional<Packet> receive_packet(int socket, bool* is_over) {
  static thread_local std::vector<std::byte> bytes(kPacketBytesMax);
  const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return std::nullopt;
  if (count <= 0) {
    *is_over = true;
    return std::nullopt;
  }
  FixedPart fixed;
  if (static_cast<std::size_t>(count) < sizeof fixed) fail("a strange packet");
  std::memcpy(&fixed, bytes.data(), sizeof fixed);
  if (static_cast<std::size_t>(count) != sizeof fixed + fixed.address_bytes + fixed.key_bytes) {
    fail("a strange packet");
  }
  Packet packet;
  packet.kind = fixed.kind;
  packet.node = fixed.node;
  packet.is_good = fixed.is_good != 0;
  packet.request = fixed.request;
  packet.time_us = fixed.time_us;
  packet.numbers = fixed.numbers;
  const auto address = bytes.begin() + sizeof fixed;
  const auto key = address + static_cast<std::ptrdiff_t>(fixed.address_bytes);
  packet.address.assign(address, key);
  packet.key.assign(key, key + static_cast<std::ptrdiff_t>(fixed.key_bytes));
  return packet;
}

void run_child(const SideOptions& options, int socket) {
  options.self == kReceiver ? run<Receiving>(options, socket) : run<Sending>(options, socket);
}

}  // namespace sluice::bench
