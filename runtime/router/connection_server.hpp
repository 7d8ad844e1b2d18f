// SPDX-License-Identifier: Apache-2.0
// The HTTP library's server with what it lacks: handlers that can tell which socket they serve, as
// many threads as there are connections, a limit on the time that a request takes to arrive, and a
// stop that waits for no client.
// Private to the sources beside it: it names the HTTP library.
#pragma once

#include <httplib.h>

#include <chrono>

#include "runtime/router/connection_threads.hpp"

namespace sluice::runtime {

class ConnectionServer : public httplib::Server {
 public:
  // A connection over the limit waits, and takes the place of one that waits for a next request.
  ConnectionServer(std::size_t connections_max, std::chrono::milliseconds request_time_max);
  ~ConnectionServer() override;

  // The socket of the request that the calling thread handles; -1 elsewhere.
  static int current_socket();

  // Ends the connection of the request that the calling thread handles, once it is answered.
  static void close_after_response();
  static bool closes_after_response();

  // After binding: as many connections may wait to be accepted as the system allows. (The library
  // asks for five, and a burst of clients then waits a second for its packets to be sent again.)
  void widen_backlog();

  // Ends connections that wait for a next request or still read one, from now on. Any thread,
  // before stop().
  void drain();

 private:
  bool process_and_close_socket(socket_t socket) override;
  bool wait_for_request(socket_t socket);

  const std::chrono::milliseconds request_time_max_;
  const int drain_event_;  // an eventfd that becomes readable for all
  const int crowd_event_;  // an eventfd: one connection reads one of its counts
  std::atomic<bool> is_draining_{false};
  ConnectionThreads threads_;
};

}  // namespace sluice::runtime
