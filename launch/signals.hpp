// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM as calls on a thread, where anything may be done.
#pragma once

#include <functional>
#include <thread>

namespace sluice::launch {

// Holds SIGINT and SIGTERM back in this thread and all that it starts.
void block_signals();

// Calls `on_signal` for each one that arrives, on a thread of its own. block_signals() came before.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void(int)> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  int wake_fd_;
  std::thread thread_;
};

// A worker's reaction: mpirun sends the signal to every rank, and the router will say stop. If it
// does not within ten seconds, the process ends by itself.
void stop_without_router(int signal);

}  // namespace sluice::launch
