// SPDX-License-Identifier: Apache-2.0
// A thread per connection, since a stream occupies one as long as it lasts.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice::runtime {

// Idle threads are used again; over the limit, and when the system refuses a thread, tasks wait.
// Any thread may call.
class ConnectionThreads {
 public:
  // Starts a thread; throws std::system_error when the system has none to give, as std::thread
  // does.
  using Start = std::function<std::thread(std::function<void()> body)>;

  // `on_crowd` (quick) is called each time that a task must wait for another to end.
  ConnectionThreads(
      std::size_t threads_max, std::function<void()> on_crowd,
      Start start = [](std::function<void()> body) { return std::thread(std::move(body)); });
  ~ConnectionThreads() { stop(); }
  ConnectionThreads(const ConnectionThreads&) = delete;
  ConnectionThreads& operator=(const ConnectionThreads&) = delete;

  void run(std::function<void()> task);

  // Some task waits for another to end.
  bool is_crowded();

  // Returns when every task has ended. No run() after it.
  void stop();

 private:
  bool start_thread();
  void loop();

  const std::size_t threads_max_;
  const std::function<void()> on_crowd_;
  const Start start_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;  // threads that run no task, those about to begin included
  bool is_stopped_ = false;
};

}  // namespace sluice::runtime
