// SPDX-License-Identifier: Apache-2.0
// HTTP by hand over a loopback socket, so that tests see every byte and can hang up at any time.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <string>
#include <string_view>

namespace sluice::runtime {

struct RawResponse {
  int status = 0;
  std::string head;       // status line and headers
  std::string body;       // chunks put together
  bool is_whole = false;  // the body ended as its framing says it should
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit = {.tv_sec = 20, .tv_usec = 0};  // a test fails rather than hangs
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    is_connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool is_connected() const { return is_connected_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void post(const std::string& path, const std::string& body, const std::string& headers = "") {
    send("POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void get(const std::string& path, const std::string& headers = "") {
    send("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
  }

  // Reads until `text` was seen; false when the connection ended first.
  bool read_until(std::string_view text) {
    while (received_.find(text) == std::string::npos) {
      if (!read_more()) return false;
    }
    return true;
  }

  RawResponse response() {
    RawResponse answer;
    if (!read_until("\r\n\r\n")) return answer;
    const auto end = received_.find("\r\n\r\n") + 4;
    answer.head = received_.substr(0, end);
    received_.erase(0, end);
    std::from_chars(answer.head.data() + 9, answer.head.data() + 12, answer.status);
    if (answer.head.find("Transfer-Encoding: chunked") != std::string::npos) {
      while (read_chunk(answer)) {
      }
      return answer;
    }
    const auto length_at = answer.head.find("Content-Length: ");
    std::size_t length = 0;
    if (length_at != std::string::npos) {
      std::from_chars(answer.head.data() + length_at + 16, answer.head.data() + end, length);
    }
    while (received_.size() < length && read_more()) {
    }
    answer.is_whole = received_.size() >= length;
    answer.body = received_.substr(0, length);
    received_.erase(0, length);
    return answer;
  }

 private:
  bool read_more() {
    char buffer[4096];
    const ssize_t got = ::recv(socket_, buffer, sizeof(buffer), 0);
    if (got > 0) received_.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }
  // False after the last chunk, and when the connection ends before it.
  bool read_chunk(RawResponse& answer) {
    if (!read_until("\r\n")) return false;
    std::size_t bytes = 0;
    std::from_chars(received_.data(), received_.data() + received_.size(), bytes, 16);
    const auto start = received_.find("\r\n") + 2;
    while (received_.size() < start + bytes + 2) {
      if (!read_more()) return false;
    }
    answer.body += received_.substr(start, bytes);
    received_.erase(0, start + bytes + 2);
    answer.is_whole = bytes == 0;
    return bytes != 0;
  }

  int socket_;
  bool is_connected_ = false;
  std::string received_;
};

}  // namespace sluice::runtime
