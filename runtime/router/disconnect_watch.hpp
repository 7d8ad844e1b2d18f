// SPDX-License-Identifier: Apache-2.0
// Notices that a client hung up while its request is still being computed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

// One thread that waits on all watched sockets. Any thread may watch.
class DisconnectWatch {
 public:
  static Result<std::unique_ptr<DisconnectWatch>> start();
  ~DisconnectWatch();
  DisconnectWatch(const DisconnectWatch&) = delete;
  DisconnectWatch& operator=(const DisconnectWatch&) = delete;

  // Watches until it is destroyed; then the function is not running and will not be called.
  class Guard {
   public:
    Guard(DisconnectWatch& watch, std::uint64_t id) : watch_(watch), id_(id) {}
    ~Guard() { watch_.forget(id_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    DisconnectWatch& watch_;
    const std::uint64_t id_;
  };

  // Calls `on_hang_up` (quick, from the watch's thread) at most once: when the peer of `socket`
  // closed its end, or at hang_up_all(). The socket must stay open as long as the guard.
  std::unique_ptr<Guard> watch(int socket, std::function<void()> on_hang_up);

  // As if every client hung up, now and for every watch() that follows.
  void hang_up_all();

 private:
  struct Entry {
    int socket = -1;  // a duplicate: the same connection may be watched twice
    std::function<void()> on_hang_up;
  };

  DisconnectWatch(int poller, int waker) : poller_(poller), waker_(waker) {}
  void loop();
  void forget(std::uint64_t id);

  const int poller_;  // epoll
  const int waker_;   // eventfd: ends the loop
  std::mutex mutex_;  // held while a function runs, so that forget() waits for it
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t next_id_ = 1;  // 0 is the waker
  bool all_hung_up_ = false;
  std::thread thread_;
};

}  // namespace sluice::runtime
