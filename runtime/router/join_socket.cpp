// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/join_socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/core/check.hpp"
#include "runtime/router/join_message.hpp"

namespace sluice::runtime {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

// For a question to come and its answer to leave.
constexpr std::chrono::seconds kClientTime{5};

class Socket {
 public:
  explicit Socket(int number = -1) : number_(number) {}
  ~Socket() {
    if (number_ >= 0) close(number_);
  }
  Socket(Socket&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int number() const { return number_; }

 private:
  int number_;
};

Error failed(const std::string& what) {
  return make_error(ErrorCode::kUnavailable, what + ": " + std::strerror(errno));
}

int milliseconds_to(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

// Until the socket is ready; `wake` not negative: or that is.
Status wait_for(int socket, short events, Deadline deadline, int wake) {
  pollfd fds[2] = {{socket, events, 0}, {wake, POLLIN, 0}};
  while (true) {
    const int left = milliseconds_to(deadline);
    const int ready = poll(fds, 2, left);
    if (ready < 0 && errno == EINTR) continue;
    if (ready > 0 && fds[1].revents != 0) {
      return make_error(ErrorCode::kCancelled, "the server is stopping");
    }
    if (ready > 0) return {};
    return make_error(ErrorCode::kUnavailable, "no answer came in time");
  }
}

Status send_all(int socket, Bytes bytes, Deadline deadline, int wake) {
  while (!bytes.empty()) {
    SLUICE_TRY(wait_for(socket, POLLOUT, deadline, wake));
    const ssize_t count = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) return failed("the connection broke");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Status receive_all(int socket, MutableBytes bytes, Deadline deadline, int wake) {
  while (!bytes.empty()) {
    SLUICE_TRY(wait_for(socket, POLLIN, deadline, wake));
    const ssize_t count = recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) return failed("the connection broke");
    if (count == 0) return make_error(ErrorCode::kUnavailable, "the other end hung up");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

// Grows with what has come, so that a header alone costs no memory.
Result<std::vector<std::byte>> receive_frame(int socket, Deadline deadline, int wake) {
  constexpr std::size_t kStepBytes = std::size_t{64} << 10;
  std::vector<std::byte> header(kJoinHeaderBytes);
  SLUICE_TRY(receive_all(socket, header, deadline, wake));
  std::size_t left = SLUICE_TRY(join_frame_bytes(header));
  std::vector<std::byte> bytes;
  while (left > 0) {
    const std::size_t step = std::min(left, kStepBytes);
    bytes.resize(bytes.size() + step);
    SLUICE_TRY(receive_all(socket, MutableBytes(bytes).last(step), deadline, wake));
    left -= step;
  }
  return bytes;
}

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return make_error(ErrorCode::kUnavailable,
                      host + ":" + port + " is no address: " + gai_strerror(error));
  }
  return Addresses(found);
}

Result<Socket> listen_at(const std::string& host, std::uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  const Addresses addresses = SLUICE_TRY(resolve(host, std::to_string(port), AI_PASSIVE));
  Socket socket(::socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.number() < 0) return failed("no socket for " + where);
  const int one = 1;
  setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(socket.number(), addresses->ai_addr, addresses->ai_addrlen) != 0 ||
      listen(socket.number(), 16) != 0) {
    return failed("cannot listen at " + where);
  }
  return socket;
}

std::uint16_t port_of(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &bytes);
  std::uint16_t port = 0;  // at the same place for IPv4 and IPv6, in network order
  std::memcpy(&port, reinterpret_cast<const char*>(&address) + 2, sizeof(port));
  return ntohs(port);
}

Result<Socket> connect_to(const JoinAddress& router, Deadline deadline) {
  const std::string where = router.host + ":" + router.port;
  const Addresses addresses = SLUICE_TRY(resolve(router.host, router.port, 0));
  Error last = make_error(ErrorCode::kUnavailable, where + " has no address");
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    Socket socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.number() < 0) continue;
    if (connect(socket.number(), at->ai_addr, at->ai_addrlen) == 0) return socket;
    if (errno == EINPROGRESS) {
      if (const Status ready = wait_for(socket.number(), POLLOUT, deadline, -1); !ready) {
        last = ready.error();
        continue;
      }
      socklen_t bytes = sizeof(errno);
      getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &errno, &bytes);
      if (errno == 0) return socket;
    }
    last = failed("no router listens at " + where);
  }
  return last;
}

}  // namespace

class JoinServer::Impl {
 public:
  Impl(Socket listener, Admit admit)
      : listener_(std::move(listener)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        admit_(std::move(admit)) {
    SLUICE_CHECK(wake_.number() >= 0, "eventfd is refused");
    thread_ = std::thread([this] { serve(); });
  }
  ~Impl() {
    const std::uint64_t one = 1;
    SLUICE_CHECK(write(wake_.number(), &one, sizeof(one)) == sizeof(one), "eventfd is full");
    thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

 private:
  void serve() {
    while (true) {
      const auto later = std::chrono::steady_clock::now() + std::chrono::hours(1);
      const Status came = wait_for(listener_.number(), POLLIN, later, wake_.number());
      if (!came && came.error().code == ErrorCode::kCancelled) return;
      const Socket client(accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client.number() >= 0) answer(client.number());
    }
  }
  void answer(int client) {
    const Deadline deadline = std::chrono::steady_clock::now() + kClientTime;
    auto frame = receive_frame(client, deadline, wake_.number());
    if (!frame && frame.error().code != ErrorCode::kCorrupt) return;  // nobody is there any more
    Result<JoinQuestion> question = frame ? decode_join_question(*frame) : frame.error();
    const auto answered = question ? admit_(question->node, std::move(question->hello))
                                   : Result<JoinAnswer>(question.error());
    (void)send_all(client, encode_join_answer(answered), deadline, wake_.number());
  }

  Socket listener_;
  Socket wake_;
  Admit admit_;
  std::thread thread_;
};

JoinServer::JoinServer(std::unique_ptr<Impl> impl, std::uint16_t port)
    : impl_(std::move(impl)), port_(port) {}
JoinServer::~JoinServer() = default;

Result<std::unique_ptr<JoinServer>> JoinServer::start(const std::string& host, std::uint16_t port,
                                                      Admit admit) {
  Socket listener = SLUICE_TRY(listen_at(host, port));
  const std::uint16_t bound = port_of(listener);
  auto impl = std::make_unique<Impl>(std::move(listener), std::move(admit));
  return std::unique_ptr<JoinServer>(new JoinServer(std::move(impl), bound));
}

Result<JoinAddress> parse_join_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const auto refuse = [&] {
    return make_error(ErrorCode::kInvalidArgument, "\"" + text + "\" is not HOST:PORT");
  };
  if (colon == std::string::npos) return refuse();
  JoinAddress address{text.substr(0, colon), text.substr(colon + 1)};
  if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  const bool is_number = !address.port.empty() && address.port.size() <= 5 &&
                         address.port.find_first_not_of("0123456789") == std::string::npos &&
                         std::stoi(address.port) > 0 && std::stoi(address.port) <= 65535;
  if (address.host.empty() || !is_number) return refuse();
  return address;
}

Result<JoinAnswer> ask_to_join(const JoinAddress& router, comm::NodeId node, const Hello& hello,
                               std::chrono::milliseconds timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const Socket socket = SLUICE_TRY(connect_to(router, deadline));
  const auto with_router = [&](const Error& error) {
    return make_error(error.code, "the router at " + router.host + ":" + router.port +
                                      " cannot be asked: " + error.message);
  };
  const Status asked = send_all(socket.number(), encode_join_question({node, hello}), deadline, -1);
  if (!asked) return with_router(asked.error());
  const auto frame = receive_frame(socket.number(), deadline, -1);
  if (!frame) return with_router(frame.error());
  return decode_join_answer(*frame);
}

}  // namespace sluice::runtime
