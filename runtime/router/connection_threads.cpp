// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/connection_threads.hpp"

#include <system_error>
#include <utility>

namespace sluice::runtime {

ConnectionThreads::ConnectionThreads(std::size_t threads_max, std::function<void()> on_crowd,
                                     Start start)
    : threads_max_(threads_max), on_crowd_(std::move(on_crowd)), start_(std::move(start)) {
  // Early, while there is one to have: with it no task waits forever.
  const std::lock_guard lock(mutex_);
  threads_.reserve(threads_max_);
  start_thread();
}

// Under the lock, so that the thread begins when it is counted.
bool ConnectionThreads::start_thread() {
  if (threads_.size() >= threads_max_) return false;
  try {
    threads_.push_back(start_([this] { loop(); }));
  } catch (const std::system_error&) {
    return false;
  }
  ++idle_;
  return true;
}

void ConnectionThreads::run(std::function<void()> task) {
  bool waits = false;
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    waits = tasks_.size() > idle_ && !start_thread();
  }
  changed_.notify_one();
  if (waits) on_crowd_();
}

bool ConnectionThreads::is_crowded() {
  const std::lock_guard lock(mutex_);
  return tasks_.size() > idle_;
}

void ConnectionThreads::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  // Left only if the system never gave a thread.
  for (const auto& task : std::exchange(tasks_, {})) task();
}

void ConnectionThreads::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return is_stopped_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    --idle_;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    ++idle_;
  }
}

}  // namespace sluice::runtime
