// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/least_loaded.hpp"

#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

Decision decide(const Snapshot& snapshot) {
  const Result<Decision> decision = create_least_loaded({})->decide(snapshot, {});
  EXPECT_TRUE(decision.has_value());
  return decision ? *decision : Decision{};
}

TEST(LeastLoaded, PrefillByTokensDecodeByRequests) {
  const std::vector<WorkerState> workers = {
      {.node = 1, .requests = 1, .queued_tokens = 9000},
      {.node = 2, .requests = 5, .queued_tokens = 100},
  };
  const Decision decision = decide({workers, workers});
  EXPECT_EQ(decision.prefill_node, 2U);
  EXPECT_EQ(decision.decode_node, 1U);
}

TEST(LeastLoaded, TheOtherNumberBreaksTies) {
  const Decision decision = decide({
      {{.node = 1, .requests = 3, .queued_tokens = 10},
       {.node = 2, .requests = 2, .queued_tokens = 10}},
      {{.node = 3, .requests = 2, .queued_tokens = 20},
       {.node = 4, .requests = 2, .queued_tokens = 10}},
  });
  EXPECT_EQ(decision.prefill_node, 2U);
  EXPECT_EQ(decision.decode_node, 4U);
}

// Requests that are placed and never end spread evenly.
TEST(LeastLoaded, KeepsTheLoadLevel) {
  Snapshot snapshot;
  for (std::uint32_t node = 1; node <= 4; ++node) {
    snapshot.prefill.push_back({.node = node});
    snapshot.decode.push_back({.node = node});
  }
  const auto policy = create_least_loaded({});
  for (int i = 0; i < 40; ++i) {
    const Result<Decision> decision = policy->decide(snapshot, {100, 10});
    ASSERT_TRUE(decision.has_value());
    for (WorkerState& worker : snapshot.prefill) {
      if (worker.node == decision->prefill_node) worker.queued_tokens += 100;
    }
    for (WorkerState& worker : snapshot.decode) {
      if (worker.node == decision->decode_node) worker.requests += 1;
    }
  }
  for (const WorkerState& worker : snapshot.prefill) EXPECT_EQ(worker.queued_tokens, 1000);
  for (const WorkerState& worker : snapshot.decode) EXPECT_EQ(worker.requests, 10);
}

}  // namespace
}  // namespace sluice::scheduler
