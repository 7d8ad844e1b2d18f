// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/decode_team.hpp"

#include <sched.h>

#include <algorithm>
#include <system_error>

namespace sluice::runtime {
namespace {

// About as long as waking a sleeping thread takes: a member that is just behind is waited for
// awake, one that lost its core is not.
constexpr int kSpins = 2000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

DecodeTeam::DecodeTeam(int threads)
    : size_(std::max(1, threads)), spins_(size_ > usable_cores() ? 0 : kSpins) {
  threads_.reserve(static_cast<std::size_t>(size_ - 1));
  for (int member = 1; member < size_; ++member) {
    try {
      threads_.emplace_back([this, member] { work(member); });
    } catch (const std::system_error&) {
      size_ = member;  // the host gives no more threads: fewer do the same work
      break;
    }
  }
}

DecodeTeam::~DecodeTeam() {
  is_ending_ = true;
  run_.fetch_add(1, std::memory_order_release);
  run_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void DecodeTeam::await(const std::atomic<unsigned>& value, unsigned old) const {
  for (int spin = 0; spin < spins_; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  while (value.load(std::memory_order_acquire) == old) {
    value.wait(old, std::memory_order_acquire);
  }
}

void DecodeTeam::barrier() {
  const unsigned phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < size_) return await(phase_, phase);
  arrived_.store(0, std::memory_order_relaxed);
  next_item_.store(0, std::memory_order_relaxed);
  // Not only a release: notify_all() reads the number of waiters, and that must not move before it.
  phase_.store(phase + 1, std::memory_order_seq_cst);
  phase_.notify_all();
}

void DecodeTeam::run(const std::function<void(int)>& body) {
  body_ = &body;
  run_.fetch_add(1, std::memory_order_release);
  run_.notify_all();
  body(0);
  barrier();
}

void DecodeTeam::work(int member) {
  for (unsigned seen = 0;; ++seen) {
    await(run_, seen);
    if (is_ending_) return;
    (*body_)(member);
    barrier();
  }
}

}  // namespace sluice::runtime
