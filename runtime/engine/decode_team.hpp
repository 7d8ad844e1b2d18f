// SPDX-License-Identifier: Apache-2.0
// A few threads that share out many small pieces of work with as little ceremony as possible: a
// decode step has over a hundred phases of tens of microseconds each.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace sluice::runtime {

// Cores this process may run on.
int usable_cores();

class DecodeTeam {
 public:
  explicit DecodeTeam(int threads);
  ~DecodeTeam();
  DecodeTeam(const DecodeTeam&) = delete;
  DecodeTeam& operator=(const DecodeTeam&) = delete;

  int size() const { return size_; }

  // body(member) on every member, member 0 being the caller; returns when all have ended.
  void run(const std::function<void(int)>& body);

  // Within run, called by every member: each item of [0, count) is done once, by whoever is free;
  // returns when all are done. What was written is then visible to all members.
  template <class Body>
  void share(std::int64_t count, Body&& body) {
    for (;;) {
      const std::int64_t item = next_item_.fetch_add(1, std::memory_order_relaxed);
      if (item >= count) break;
      body(item);
    }
    barrier();
  }

 private:
  void barrier();
  void work(int member);
  void await(const std::atomic<unsigned>& value, unsigned old) const;

  int size_;
  int spins_;
  const std::function<void(int)>* body_ = nullptr;
  bool is_ending_ = false;
  // Each on a cache line of its own: all members hammer them.
  alignas(64) std::atomic<std::int64_t> next_item_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> phase_{0};
  alignas(64) std::atomic<unsigned> run_{0};
  std::vector<std::thread> threads_;
};

}  // namespace sluice::runtime
