// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/connection_server.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace sluice::runtime {
namespace {

// Agents keep connections for the next turn; a thread that waits costs only its stack.
constexpr int kKeepAliveSeconds = 60;
// The library counts down and tells clients; nothing here needs a limit.
constexpr std::size_t kRequestsPerConnection = 1'000'000;

thread_local int the_current_socket = -1;
thread_local bool the_connection_ends = false;

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

Milliseconds until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<Milliseconds>(deadline - Clock::now());
  return std::max(left, Milliseconds(0));
}

// False as well once `stop_event` (-1: none) is readable.
bool wait_for(int socket, short events, Milliseconds limit, int stop_event = -1) {
  pollfd entries[2] = {{.fd = socket, .events = events, .revents = 0},
                       {.fd = stop_event, .events = POLLIN, .revents = 0}};
  for (;;) {
    const int ready = ::poll(entries, 2, static_cast<int>(limit.count()));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0 && entries[1].revents == 0;
  }
}

void address_of(int socket, bool remote, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  auto* const base = reinterpret_cast<sockaddr*>(&address);
  const int failed =
      remote ? ::getpeername(socket, base, &bytes) : ::getsockname(socket, base, &bytes);
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  if (failed != 0 || ::getnameinfo(base, bytes, host.data(), host.size(), service.data(),
                                   service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return;
  }
  ip = host.data();
  port = std::atoi(service.data());
}

// Reads on for a moment before the end: closing a socket with unread bytes resets the connection,
// and the client would lose the answer that says why its body was refused.
void linger(int socket, int stop_event) {
  constexpr Milliseconds kQuiet{200};
  const auto deadline = Clock::now() + std::chrono::seconds(5);
  ::shutdown(socket, SHUT_WR);
  std::array<char, 65536> rest;
  while (wait_for(socket, POLLIN, std::min(kQuiet, until(deadline)), stop_event)) {
    if (::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT) <= 0) return;
    if (Clock::now() >= deadline) return;
  }
}

struct Timeouts {
  Milliseconds read, write;
};

// A socket as the library wants it, buffered since it reads headers byte by byte.
class SocketStream : public httplib::Stream {
 public:
  SocketStream(int socket, const Timeouts& timeouts, int stop_event)
      : socket_(socket), timeouts_(timeouts), stop_event_(stop_event) {}

  // Everything that is read is part of a request; from here on, of the next one.
  void begin_request(Clock::time_point deadline) { deadline_ = deadline; }

  bool has_buffered() const { return at_ < filled_; }

  bool is_readable() const override {
    if (has_buffered()) return true;
    const Milliseconds left = until(deadline_);
    return left.count() > 0 &&
           wait_for(socket_, POLLIN, std::min(timeouts_.read, left), stop_event_);
  }
  bool is_writable() const override {
    return wait_for(socket_, POLLOUT, timeouts_.write) && is_open();
  }
  ssize_t read(char* target, std::size_t bytes) override {
    if (!has_buffered()) {
      if (!is_readable()) return -1;
      ssize_t got = -1;
      do {
        got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
      } while (got < 0 && errno == EINTR);
      if (got <= 0) return got;
      at_ = 0;
      filled_ = static_cast<std::size_t>(got);
    }
    const std::size_t taken = std::min(bytes, filled_ - at_);
    std::memcpy(target, buffer_.data() + at_, taken);
    at_ += taken;
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* source, std::size_t bytes) override {
    if (!is_writable()) return -1;
    ssize_t sent = -1;
    do {
      sent = ::send(socket_, source, bytes, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    address_of(socket_, true, ip, port);
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    address_of(socket_, false, ip, port);
  }
  socket_t socket() const override { return socket_; }

 private:
  // False once the peer closed its end.
  bool is_open() const {
    char byte = 0;
    const ssize_t got = ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
  }

  const int socket_;
  const Timeouts timeouts_;
  const int stop_event_;
  Clock::time_point deadline_;
  std::array<char, 16384> buffer_{};
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
};

// Hands the library's connections to our threads, which outlive it.
class BorrowedThreads : public httplib::TaskQueue {
 public:
  explicit BorrowedThreads(ConnectionThreads& threads) : threads_(threads) {}
  void enqueue(std::function<void()> task) override { threads_.run(std::move(task)); }
  void shutdown() override { threads_.stop(); }

 private:
  ConnectionThreads& threads_;
};

// An eventfd cannot be written when its counter is full: it is readable then as well.
void raise(int event) {
  const std::uint64_t one = 1;
  if (::write(event, &one, sizeof(one)) < 0) return;
}

}  // namespace

ConnectionServer::ConnectionServer(std::size_t connections_max, Milliseconds request_time_max)
    : request_time_max_(request_time_max),
      drain_event_(::eventfd(0, EFD_CLOEXEC)),
      crowd_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)),
      threads_(connections_max, [event = crowd_event_] { raise(event); }) {
  new_task_queue = [this] { return new BorrowedThreads(threads_); };
  set_keep_alive_max_count(kRequestsPerConnection);
  set_keep_alive_timeout(kKeepAliveSeconds);
  // Each token is a small packet that must not wait for the next one.
  set_tcp_nodelay(true);
  // Not the library's SO_REUSEPORT, with which two servers would share a port unnoticed.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
}

ConnectionServer::~ConnectionServer() {
  threads_.stop();
  if (drain_event_ >= 0) ::close(drain_event_);
  if (crowd_event_ >= 0) ::close(crowd_event_);
}

int ConnectionServer::current_socket() { return the_current_socket; }

void ConnectionServer::close_after_response() { the_connection_ends = true; }

bool ConnectionServer::closes_after_response() { return the_connection_ends; }

void ConnectionServer::widen_backlog() { ::listen(svr_sock_, SOMAXCONN); }

void ConnectionServer::drain() {
  is_draining_ = true;
  // Nobody reads it, so it stays readable for every connection.
  raise(drain_event_);
}

bool ConnectionServer::wait_for_request(socket_t socket) {
  const auto deadline = Clock::now() + std::chrono::seconds(keep_alive_timeout_sec_);
  for (;;) {
    pollfd entries[3] = {{.fd = socket, .events = POLLIN, .revents = 0},
                         {.fd = drain_event_, .events = POLLIN, .revents = 0},
                         {.fd = crowd_event_, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(entries, 3, static_cast<int>(until(deadline).count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || entries[1].revents != 0) return false;
    if (entries[0].revents != 0) return true;
    // One connection makes room for one that waits, unless another has ended meanwhile.
    std::uint64_t count = 0;
    if (::read(crowd_event_, &count, sizeof(count)) > 0 && threads_.is_crowded()) return false;
  }
}

bool ConnectionServer::process_and_close_socket(socket_t socket) {
  const auto total = [](time_t s, time_t us) { return Milliseconds(s * 1000 + us / 1000); };
  SocketStream stream(socket,
                      {total(read_timeout_sec_, read_timeout_usec_),
                       total(write_timeout_sec_, write_timeout_usec_)},
                      drain_event_);
  the_current_socket = socket;
  the_connection_ends = false;
  bool is_alive = true;
  while (is_alive && (stream.has_buffered() || wait_for_request(socket))) {
    bool is_closed = false;
    stream.begin_request(Clock::now() + request_time_max_);
    is_alive = process_request(stream, is_draining_, is_closed, nullptr) && !is_closed &&
               !is_draining_ && !the_connection_ends;
  }
  the_current_socket = -1;
  if (the_connection_ends) linger(socket, drain_event_);
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
  return true;
}

}  // namespace sluice::runtime
