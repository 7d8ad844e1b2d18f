// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/grant_queue.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::runtime {
namespace {

using Answer = GrantQueue::Answer;
using Requests = std::vector<RequestId>;

// Grants up to `most` entries, none of `refused`, and says which.
Requests serve(GrantQueue& queue, std::size_t most, const Requests& refused = {},
               Answer refusal = Answer::kNotNow) {
  Requests served;
  queue.serve([&](const GrantQueue::Entry& entry) {
    const bool is_refused =
        std::find(refused.begin(), refused.end(), entry.request) != refused.end();
    if (is_refused) return refusal;
    if (served.size() == most) return Answer::kNotNow;
    served.push_back(entry.request);
    return Answer::kServed;
  });
  return served;
}

TEST(GrantQueue, WritersTakeTurnsEachInItsOrder) {
  GrantQueue queue;
  for (RequestId i = 0; i < 3; ++i) queue.add({100 + i, 1}, false);
  queue.add({200, 2}, false);
  queue.add({300, 3}, false);
  EXPECT_EQ(queue.writers(), 3U);
  EXPECT_EQ(queue.size_of(1), 3U);
  EXPECT_EQ(serve(queue, 9), (Requests{100, 200, 300, 101, 102}));
  EXPECT_EQ(queue.size(), 0U);
}

TEST(GrantQueue, TheTurnGoesOnWhereItStopped) {
  GrantQueue queue;
  for (comm::NodeId writer = 1; writer <= 3; ++writer) {
    queue.add({writer * 100, writer}, false);
    queue.add({writer * 100 + 1, writer}, false);
  }
  EXPECT_EQ(serve(queue, 2), (Requests{100, 200}));
  EXPECT_EQ(serve(queue, 2), (Requests{300, 101}));
}

TEST(GrantQueue, ARefusedEntryHoldsUpItsOwnWriterAlone) {
  GrantQueue queue;
  queue.add({100, 1}, false);
  queue.add({101, 1}, false);
  queue.add({200, 2}, false);
  EXPECT_EQ(serve(queue, 9, {100}), (Requests{200}));
  EXPECT_EQ(serve(queue, 9), (Requests{100, 101}));
}

TEST(GrantQueue, NobodyPassesForEver) {
  GrantQueue queue;
  queue.add({1, 1}, false);
  RequestId next = 1000;
  for (int i = 0; i < GrantQueue::kPassedMax; ++i) {
    queue.add({next, 2}, false);
    EXPECT_EQ(serve(queue, 1, {1}), (Requests{next++}));
  }
  queue.add({next, 2}, false);
  EXPECT_EQ(serve(queue, 9, {1}), Requests{});
  EXPECT_EQ(serve(queue, 9), (Requests{1, next}));
}

TEST(GrantQueue, WhatHasBegunPasses) {
  GrantQueue queue;
  queue.add({1, 1}, false);
  for (int i = 0; i < GrantQueue::kPassedMax; ++i) {
    queue.add({1000, 2}, false);
    (void)serve(queue, 1, {1});
  }
  // Behind another of its writer, and behind one that nobody may pass.
  queue.add({20, 2}, false);
  queue.add({21, 2}, false);
  queue.open(21);
  EXPECT_EQ(serve(queue, 9, {1}), (Requests{21}));
  queue.add({22, 2}, true);
  EXPECT_EQ(serve(queue, 9, {1}), (Requests{22}));
}

// One that needs what is in quarantine.
TEST(GrantQueue, NobodyWaitsForOneThatCannotBeServedYet) {
  GrantQueue queue;
  queue.add({1, 1}, false);
  RequestId next = 1000;
  for (int i = 0; i < 3 * GrantQueue::kPassedMax; ++i) {
    queue.add({next, 2}, false);
    EXPECT_EQ(serve(queue, 1, {1}, Answer::kNotYet), (Requests{next++}));
  }
  // The same when nobody may pass it already.
  for (int i = 0; i < GrantQueue::kPassedMax; ++i) {
    queue.add({next++, 2}, false);
    (void)serve(queue, 1, {1});
  }
  queue.add({next, 2}, false);
  EXPECT_EQ(serve(queue, 9, {1}), Requests{});
  EXPECT_EQ(serve(queue, 9, {1}, Answer::kNotYet), (Requests{next}));
}

TEST(GrantQueue, WhatIsRemovedIsNotServed) {
  GrantQueue queue;
  queue.add({1, 1}, false);
  queue.add({2, 1}, true);
  queue.remove({2, 1});
  queue.remove({9, 9});  // not there
  EXPECT_EQ(queue.size(), 1U);
  queue.serve([&](const GrantQueue::Entry& entry) {
    queue.remove(entry);
    return Answer::kServed;
  });
  EXPECT_EQ(queue.size(), 0U);
  EXPECT_EQ(queue.writers(), 0U);
}

}  // namespace
}  // namespace sluice::runtime
