// SPDX-License-Identifier: Apache-2.0
// The table, and what every policy in it must hold, on random snapshots.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "scheduler/policy.hpp"

namespace sluice::scheduler {
namespace {

std::vector<WorkerState> random_workers(std::mt19937& random) {
  // Few distinct loads, so that ties are common; nodes out of order and with gaps.
  std::vector<WorkerState> workers(random() % 6);
  std::vector<std::uint32_t> nodes = {0, 1, 3, 4, 9, 70000};
  std::shuffle(nodes.begin(), nodes.end(), random);
  for (std::size_t i = 0; i < workers.size(); ++i) {
    workers[i].node = nodes[i];
    workers[i].alive = random() % 4 != 0;
    workers[i].requests = static_cast<std::int64_t>(random() % 3);
    workers[i].queued_tokens = static_cast<std::int64_t>(random() % 3) * 1000;
  }
  return workers;
}

Snapshot random_snapshot(std::mt19937& random) {
  Snapshot snapshot;
  snapshot.prefill = random_workers(random);
  snapshot.decode = random_workers(random);
  return snapshot;
}

bool is_alive(const std::vector<WorkerState>& workers, std::uint32_t node) {
  return std::any_of(workers.begin(), workers.end(), [&](const WorkerState& worker) {
    return worker.node == node && worker.alive;
  });
}

bool any_alive(const std::vector<WorkerState>& workers) {
  return std::any_of(workers.begin(), workers.end(),
                     [](const WorkerState& worker) { return worker.alive; });
}

class EveryPolicy : public ::testing::TestWithParam<PolicyRow> {};

TEST_P(EveryPolicy, ChoosesLiveWorkersOrIsUnavailable) {
  std::mt19937 random(1);
  const auto policy = GetParam().create({});
  int decisions = 0;
  int refusals = 0;
  for (int i = 0; i < 2000; ++i) {
    const Snapshot snapshot = random_snapshot(random);
    const Result<Decision> decision = policy->decide(snapshot, {100, 10});
    if (any_alive(snapshot.prefill) && any_alive(snapshot.decode)) {
      ASSERT_TRUE(decision.has_value());
      EXPECT_TRUE(is_alive(snapshot.prefill, decision->prefill_node));
      EXPECT_TRUE(is_alive(snapshot.decode, decision->decode_node));
      ++decisions;
    } else {
      ASSERT_FALSE(decision.has_value());
      EXPECT_EQ(decision.error().code, ErrorCode::kUnavailable);
      ++refusals;
    }
  }
  EXPECT_GT(decisions, 100);
  EXPECT_GT(refusals, 100);
}

// The same history gives the same decisions, and the order of workers in a snapshot says nothing.
TEST_P(EveryPolicy, IsDeterministicWhateverTheOrder) {
  std::mt19937 random(2);
  const auto one = GetParam().create({});
  const auto two = GetParam().create({});
  for (int i = 0; i < 2000; ++i) {
    Snapshot snapshot = random_snapshot(random);
    const Result<Decision> first = one->decide(snapshot, {100, 10});
    std::shuffle(snapshot.prefill.begin(), snapshot.prefill.end(), random);
    std::shuffle(snapshot.decode.begin(), snapshot.decode.end(), random);
    const Result<Decision> second = two->decide(snapshot, {100, 10});
    ASSERT_EQ(first.has_value(), second.has_value());
    if (!first) continue;
    EXPECT_EQ(first->prefill_node, second->prefill_node);
    EXPECT_EQ(first->decode_node, second->decode_node);
  }
}

TEST_P(EveryPolicy, FirstTieGoesToTheLowestNode) {
  Snapshot snapshot;
  for (const std::uint32_t node : {7U, 5U, 6U}) {
    snapshot.prefill.push_back({.node = node});
    snapshot.decode.push_back({.node = node + 10});
  }
  const Result<Decision> decision = GetParam().create({})->decide(snapshot, {});
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(decision->prefill_node, 5U);
  EXPECT_EQ(decision->decode_node, 15U);
}

TEST_P(EveryPolicy, SaysWhichRoleIsMissing) {
  const auto policy = GetParam().create({});
  const Result<Decision> no_prefill = policy->decide({{}, {{.node = 1}}}, {});
  ASSERT_FALSE(no_prefill.has_value());
  EXPECT_EQ(no_prefill.error().message, "no prefill worker is alive");
  const Result<Decision> no_decode =
      policy->decide({{{.node = 1}}, {{.node = 2, .alive = false}}}, {});
  ASSERT_FALSE(no_decode.has_value());
  EXPECT_EQ(no_decode.error().message, "no decode worker is alive");
}

INSTANTIATE_TEST_SUITE_P(All, EveryPolicy,
                         ::testing::ValuesIn(policy_table().begin(), policy_table().end()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(PolicyRegistry, TheTableIsComplete) {
  std::vector<std::string_view> names;
  for (const PolicyRow& row : policy_table()) names.push_back(row.name);
  EXPECT_THAT(names, ::testing::ElementsAre("least_loaded", "round_robin"));
}

TEST(PolicyRegistry, CreatesByName) {
  for (const PolicyRow& row : policy_table()) {
    const auto policy = create_policy(row.name);
    ASSERT_TRUE(policy.has_value());
    EXPECT_NE(policy.value(), nullptr);
  }
}

TEST(PolicyRegistry, AnUnknownNameIsToldTheOthers) {
  const auto policy = create_policy("best");
  ASSERT_FALSE(policy.has_value());
  EXPECT_EQ(policy.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(policy.error().message,
            "there is no scheduling policy \"best\"; there are least_loaded, round_robin");
}

}  // namespace
}  // namespace sluice::scheduler
