// SPDX-License-Identifier: Apache-2.0
// The TCP ends of joining a running cluster: where the router listens, and who asks it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/transfer/cluster.hpp"

namespace sluice::runtime {

// Listens in a thread of its own and serves one newcomer after the other, each within seconds:
// joining is rare, and who only connects shall not keep others out for long.
class JoinServer {
 public:
  // Called on the server's thread.
  using Admit = std::function<Result<JoinAnswer>(comm::NodeId, Hello)>;

  // Port 0: any free one. kUnavailable: it cannot listen there.
  static Result<std::unique_ptr<JoinServer>> start(const std::string& host, std::uint16_t port,
                                                   Admit admit);
  ~JoinServer();  // ends at once, but for an `admit` under way
  JoinServer(const JoinServer&) = delete;
  JoinServer& operator=(const JoinServer&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  class Impl;
  JoinServer(std::unique_ptr<Impl> impl, std::uint16_t port);

  std::unique_ptr<Impl> impl_;
  std::uint16_t port_;
};

// "HOST:PORT", "[::1]:8001".
struct JoinAddress {
  std::string host;
  std::string port;
};
Result<JoinAddress> parse_join_address(const std::string& text);

// Asks the router to be the rank `node`; blocks for its answer. kUnavailable: there is no router
// at that address, or it does not answer in time.
Result<JoinAnswer> ask_to_join(const JoinAddress& router, comm::NodeId node, const Hello& hello,
                               std::chrono::milliseconds timeout);

}  // namespace sluice::runtime
