// SPDX-License-Identifier: Apache-2.0
// Hands values from one thread to another: the only way the threads of a worker talk.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace sluice::runtime {

template <class T>
class Mailbox {
 public:
  void push(T value) {
    {
      const std::lock_guard lock(mutex_);
      values_.push_back(std::move(value));
    }
    filled_.notify_one();
  }

  // Everything there is now; does not block.
  std::deque<T> drain() {
    const std::lock_guard lock(mutex_);
    return std::exchange(values_, {});
  }

  // Blocks for the next value; nothing once closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return closed_ || !values_.empty(); });
    if (values_.empty()) return std::nullopt;
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

  // Ends pop(); what is still inside is delivered first.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<T> values_;
  bool closed_ = false;
};

}  // namespace sluice::runtime
