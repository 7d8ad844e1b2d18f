// SPDX-License-Identifier: Apache-2.0
// The threads that make frames, or take them apart, beside those that compute and communicate.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/pipeline/pipeline.hpp"

namespace sluice::runtime {

class CodecPool {
 public:
  // Gets the scratch of the thread it runs on.
  using Task = std::function<void(kernels::Scratch&)>;

  // Without threads every task is done within submit(), which then has one caller.
  explicit CodecPool(int threads);
  ~CodecPool();  // what is queued is still done
  CodecPool(const CodecPool&) = delete;
  CodecPool& operator=(const CodecPool&) = delete;

  // Any thread. Tasks begin in the order in which they were submitted.
  void submit(Task task);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Task> tasks_;
  bool is_ending_ = false;
  kernels::Scratch scratch_;  // of the caller, where there are no threads
  std::vector<std::thread> threads_;
};

}  // namespace sluice::runtime
