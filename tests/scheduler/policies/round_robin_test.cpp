// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/round_robin.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::scheduler {
namespace {

std::vector<std::uint32_t> prefill_nodes(Policy& policy, const Snapshot& snapshot, int times) {
  std::vector<std::uint32_t> nodes;
  for (int i = 0; i < times; ++i) {
    const Result<Decision> decision = policy.decide(snapshot, {});
    nodes.push_back(decision ? decision->prefill_node : 999);
  }
  return nodes;
}

TEST(RoundRobin, TakesTurnsInTheOrderOfNodes) {
  const auto policy = create_round_robin({});
  const Snapshot snapshot = {{{.node = 3}, {.node = 1}, {.node = 2}}, {{.node = 9}}};
  EXPECT_THAT(prefill_nodes(*policy, snapshot, 5), ::testing::ElementsAre(1, 2, 3, 1, 2));
}

TEST(RoundRobin, ADeadWorkerLosesOnlyItsOwnTurn) {
  const auto policy = create_round_robin({});
  Snapshot snapshot = {{{.node = 1}, {.node = 2}, {.node = 3}}, {{.node = 9}}};
  EXPECT_THAT(prefill_nodes(*policy, snapshot, 2), ::testing::ElementsAre(1, 2));
  snapshot.prefill[1].alive = false;
  EXPECT_THAT(prefill_nodes(*policy, snapshot, 3), ::testing::ElementsAre(3, 1, 3));
  snapshot.prefill[1].alive = true;
  EXPECT_THAT(prefill_nodes(*policy, snapshot, 3), ::testing::ElementsAre(1, 2, 3));
}

TEST(RoundRobin, AFailedDecisionMovesNothing) {
  const auto policy = create_round_robin({});
  Snapshot snapshot = {{{.node = 1}, {.node = 2}}, {{.node = 9, .alive = false}}};
  EXPECT_THAT(prefill_nodes(*policy, snapshot, 1), ::testing::ElementsAre(999));
  snapshot.decode[0].alive = true;
  EXPECT_THAT(prefill_nodes(*policy, snapshot, 2), ::testing::ElementsAre(1, 2));
}

}  // namespace
}  // namespace sluice::scheduler
