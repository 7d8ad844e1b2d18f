// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/connection_threads.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <system_error>

namespace sluice::runtime {
namespace {

using Semaphore = std::counting_semaphore<>;

// Gives `allowed` threads and then throws, as std::thread does at the system's limit.
ConnectionThreads::Start scarce(int allowed) {
  return [allowed](std::function<void()> body) mutable {
    if (allowed-- <= 0) throw std::system_error(EAGAIN, std::generic_category());
    return std::thread(std::move(body));
  };
}

TEST(ConnectionThreads, TasksRunAtOnce) {
  Semaphore started(0);
  Semaphore may_end(0);
  ConnectionThreads threads(3, [] { FAIL() << "there was room"; });
  for (int i = 0; i < 3; ++i) {
    threads.run([&] {
      started.release();
      may_end.acquire();
    });
  }
  for (int i = 0; i < 3; ++i) started.acquire();
  EXPECT_FALSE(threads.is_crowded());
  may_end.release(3);
}

TEST(ConnectionThreads, OverTheLimitTasksWaitAndTellIt) {
  Semaphore may_end(0);
  std::atomic<int> crowds = 0;
  std::atomic<int> done = 0;
  ConnectionThreads threads(2, [&] { ++crowds; });
  for (int i = 0; i < 5; ++i) {
    threads.run([&] {
      may_end.acquire();
      ++done;
    });
  }
  EXPECT_EQ(crowds, 3);
  EXPECT_TRUE(threads.is_crowded());
  may_end.release(5);
  threads.stop();
  EXPECT_EQ(done, 5);
  EXPECT_FALSE(threads.is_crowded());
}

// It used to end the process.
TEST(ConnectionThreads, ATaskWaitsWhenTheSystemRefusesAThread) {
  Semaphore may_end(0);
  std::atomic<int> crowds = 0;
  std::atomic<int> done = 0;
  ConnectionThreads threads(
      100, [&] { ++crowds; }, scarce(1));
  for (int i = 0; i < 3; ++i) {
    threads.run([&] {
      may_end.acquire();
      ++done;
    });
  }
  EXPECT_EQ(crowds, 2);
  may_end.release(3);
  threads.stop();
  EXPECT_EQ(done, 3);
}

TEST(ConnectionThreads, WithoutAnyThreadTheEndRunsTheTasks) {
  int done = 0;
  ConnectionThreads threads(
      100, [] {}, scarce(0));
  threads.run([&] { ++done; });
  EXPECT_EQ(done, 0);
  threads.stop();
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace sluice::runtime
