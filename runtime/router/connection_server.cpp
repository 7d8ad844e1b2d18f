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

constexpr std::size_t kThreadsMax = 1024;
// Agents keep connections for the next turn; a thread that waits costs only its stack.
constexpr int kKeepAliveSeconds = 60;
// The library counts down and tells clients; nothing here needs a limit.
constexpr std::size_t kRequestsPerConnection = 1'000'000;

thread_local int the_current_socket = -1;
thread_local bool the_connection_ends = false;

bool wait_for(int socket, short events, time_t seconds, time_t us) {
  pollfd entry = {.fd = socket, .events = events, .revents = 0};
  for (;;) {
    const int ready = ::poll(&entry, 1, static_cast<int>(seconds * 1000 + us / 1000));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
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
void linger(int socket) {
  constexpr int kRoundsMax = 64;
  constexpr int kQuietMs = 200;
  ::shutdown(socket, SHUT_WR);
  std::array<char, 65536> rest;
  for (int round = 0; round < kRoundsMax; ++round) {
    if (!wait_for(socket, POLLIN, 0, kQuietMs * 1000)) return;
    if (::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT) <= 0) return;
  }
}

struct Timeouts {
  time_t read_s, read_us, write_s, write_us;
};

// A socket as the library wants it, buffered since it reads headers byte by byte.
class SocketStream : public httplib::Stream {
 public:
  SocketStream(int socket, const Timeouts& timeouts) : socket_(socket), timeouts_(timeouts) {}

  bool has_buffered() const { return at_ < filled_; }

  bool is_readable() const override {
    return has_buffered() || wait_for(socket_, POLLIN, timeouts_.read_s, timeouts_.read_us);
  }
  bool is_writable() const override {
    return wait_for(socket_, POLLOUT, timeouts_.write_s, timeouts_.write_us) && is_open();
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
  std::array<char, 16384> buffer_{};
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace

void ConnectionThreads::enqueue(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  if (tasks_.size() > idle_ && threads_.size() < threads_max_) {
    threads_.emplace_back([this] { loop(); });
  }
  changed_.notify_one();
}

void ConnectionThreads::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    is_shut_down_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void ConnectionThreads::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [&] { return is_shut_down_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

ConnectionServer::ConnectionServer() : drain_event_(::eventfd(0, EFD_CLOEXEC)) {
  new_task_queue = [] { return new ConnectionThreads(kThreadsMax); };
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
  if (drain_event_ >= 0) ::close(drain_event_);
}

int ConnectionServer::current_socket() { return the_current_socket; }

void ConnectionServer::close_after_response() { the_connection_ends = true; }

void ConnectionServer::widen_backlog() { ::listen(svr_sock_, SOMAXCONN); }

void ConnectionServer::drain() {
  is_draining_ = true;
  const std::uint64_t one = 1;
  // Nobody reads it, so once written it stays readable for every connection.
  if (::write(drain_event_, &one, sizeof(one)) < 0) return;
}

bool ConnectionServer::wait_for_request(socket_t socket) const {
  pollfd entries[2] = {{.fd = socket, .events = POLLIN, .revents = 0},
                       {.fd = drain_event_, .events = POLLIN, .revents = 0}};
  int ready = -1;
  do {
    ready = ::poll(entries, 2, static_cast<int>(keep_alive_timeout_sec_ * 1000));
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && entries[0].revents != 0 && entries[1].revents == 0;
}

bool ConnectionServer::process_and_close_socket(socket_t socket) {
  SocketStream stream(
      socket, {read_timeout_sec_, read_timeout_usec_, write_timeout_sec_, write_timeout_usec_});
  the_current_socket = socket;
  the_connection_ends = false;
  bool is_alive = true;
  while (is_alive && (stream.has_buffered() || wait_for_request(socket))) {
    bool is_closed = false;
    is_alive = process_request(stream, is_draining_, is_closed, nullptr) && !is_closed &&
               !is_draining_ && !the_connection_ends;
  }
  the_current_socket = -1;
  if (the_connection_ends) linger(socket);
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
  return true;
}

}  // namespace sluice::runtime
