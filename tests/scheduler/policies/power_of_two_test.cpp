// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/power_of_two.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace sluice::scheduler {
namespace {

Snapshot pools(std::uint32_t workers) {
  Snapshot snapshot;
  for (std::uint32_t node = 1; node <= workers; ++node) {
    snapshot.prefill.push_back({.node = node});
    snapshot.decode.push_back({.node = node});
  }
  return snapshot;
}

std::vector<std::uint32_t> nodes(std::uint64_t seed, const Snapshot& snapshot, int times) {
  const auto policy = create_power_of_two({.seed = seed});
  std::vector<std::uint32_t> all;
  for (int i = 0; i < times; ++i) all.push_back(policy->decide(snapshot, {})->prefill_node);
  return all;
}

TEST(PowerOfTwo, DrawsBySeed) {
  EXPECT_EQ(nodes(1, pools(8), 50), nodes(1, pools(8), 50));
  EXPECT_NE(nodes(1, pools(8), 50), nodes(2, pools(8), 50));
}

// Of ten workers with loads 1 to 10, the lightest is chosen when it is among the two (18 of 90
// pairs), the heaviest never; and in between each as often as pairs have it as their lighter one.
TEST(PowerOfTwo, TakesTheLighterOfEachPairEquallyOften) {
  Snapshot snapshot = pools(10);
  for (WorkerState& worker : snapshot.prefill) worker.queued_tokens = worker.node;
  for (WorkerState& worker : snapshot.decode) worker.requests = worker.node;
  std::map<std::uint32_t, int> prefill;
  std::map<std::uint32_t, int> decode;
  const auto policy = create_power_of_two({});
  constexpr int kDraws = 9000;
  for (int i = 0; i < kDraws; ++i) {
    const Result<Decision> decision = policy->decide(snapshot, {});
    ++prefill[decision->prefill_node];
    ++decode[decision->decode_node];
  }
  for (std::uint32_t node = 1; node <= 10; ++node) {
    const int expected = kDraws * 2 * static_cast<int>(10 - node) / 90;
    EXPECT_NEAR(prefill[node], expected, 150) << node;
    EXPECT_NEAR(decode[node], expected, 150) << node;
  }
}

TEST(PowerOfTwo, OneWorkerIsEnough) {
  EXPECT_EQ(nodes(1, pools(1), 3), (std::vector<std::uint32_t>{1, 1, 1}));
}

// Balls into bins: with the second choice the fullest bin has much less above the mean.
TEST(PowerOfTwo, KeepsTheLongestQueueShort) {
  Snapshot snapshot = pools(50);
  const auto policy = create_power_of_two({.seed = 3});
  for (int i = 0; i < 1000; ++i) {
    const Result<Decision> decision = policy->decide(snapshot, {});
    snapshot.prefill[decision->prefill_node - 1].queued_tokens += 1;
  }
  std::int64_t most = 0;
  for (const WorkerState& worker : snapshot.prefill) most = std::max(most, worker.queued_tokens);
  EXPECT_LE(most, 23);  // of a mean of 20; one random choice has 30 and more
}

}  // namespace
}  // namespace sluice::scheduler
