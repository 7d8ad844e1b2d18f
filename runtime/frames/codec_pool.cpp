// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/codec_pool.hpp"

#include <utility>

namespace sluice::runtime {

CodecPool::CodecPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

CodecPool::~CodecPool() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  filled_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void CodecPool::submit(Task task) {
  if (threads_.empty()) return task(scratch_);
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  filled_.notify_one();
}

void CodecPool::work() {
  kernels::Scratch scratch;
  while (true) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return is_ending_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task(scratch);
  }
}

}  // namespace sluice::runtime
