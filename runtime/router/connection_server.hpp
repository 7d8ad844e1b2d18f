// SPDX-License-Identifier: Apache-2.0
// The HTTP library's server with what it lacks: handlers that can tell which socket they serve, as
// many threads as there are connections, and a stop that does not wait for idle connections.
// Private to the sources beside it: it names the HTTP library.
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice::runtime {

// A thread per connection, since a stream occupies one as long as it lasts. Idle threads are used
// again; over the limit connections wait.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(std::size_t threads_max) : threads_max_(threads_max) {}
  void enqueue(std::function<void()> task) override;
  void shutdown() override;

 private:
  void loop();

  const std::size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool is_shut_down_ = false;
};

class ConnectionServer : public httplib::Server {
 public:
  ConnectionServer();
  ~ConnectionServer() override;

  // The socket of the request that the calling thread handles; -1 elsewhere.
  static int current_socket();

  // Ends the connection of the request that the calling thread handles, once it is answered.
  static void close_after_response();

  // After binding: as many connections may wait to be accepted as the system allows. (The library
  // asks for five, and a burst of clients then waits a second for its packets to be sent again.)
  void widen_backlog();

  // Ends connections that wait for a next request, from now on. Any thread, before stop().
  void drain();

 private:
  bool process_and_close_socket(socket_t socket) override;
  bool wait_for_request(socket_t socket) const;

  int drain_event_;  // an eventfd that becomes readable for all
  std::atomic<bool> is_draining_{false};
};

}  // namespace sluice::runtime
