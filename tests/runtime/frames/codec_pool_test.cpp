// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/codec_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>
#include <vector>

namespace sluice::runtime {
namespace {

TEST(CodecPool, WhatIsQueuedIsDoneBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    CodecPool pool(3);
    for (int i = 0; i < 100; ++i) pool.submit([&](kernels::Scratch&) { ++done; });
  }
  EXPECT_EQ(done, 100);
}

TEST(CodecPool, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    CodecPool pool(1);
    for (int i = 0; i < 50; ++i)
      pool.submit([&order, i](kernels::Scratch&) { order.push_back(i); });
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(CodecPool, WithoutThreadsTheCallerDoesIt) {
  CodecPool pool(0);
  std::thread::id worked;
  pool.submit([&](kernels::Scratch&) { worked = std::this_thread::get_id(); });
  EXPECT_EQ(worked, std::this_thread::get_id());
}

TEST(CodecPool, ThreadsWorkAtOnceEachWithItsOwnScratch) {
  std::promise<kernels::Scratch*> first, second;
  CodecPool pool(2);
  // Each waits for the other: one thread alone would never end.
  auto first_is_here = first.get_future().share();
  auto second_is_here = second.get_future().share();
  std::promise<bool> differ;
  pool.submit([&](kernels::Scratch& scratch) {
    first.set_value(&scratch);
    differ.set_value(second_is_here.get() != &scratch);
  });
  pool.submit([&](kernels::Scratch& scratch) {
    second.set_value(&scratch);
    first_is_here.wait();
  });
  EXPECT_TRUE(differ.get_future().get());
}

}  // namespace
}  // namespace sluice::runtime
