// SPDX-License-Identifier: Apache-2.0
#include "comm/sim/world.hpp"

#include <algorithm>
#include <cstring>

#include "tests/comm/sim/sim_nodes.hpp"

namespace sluice::comm::sim {
namespace {

// When the messages of node 0 came to node 1, and in which order.
std::vector<std::pair<std::int64_t, std::uint16_t>> arrivals(std::uint64_t seed) {
  SimNodes nodes(WorldOptions{.seed = seed, .link = {.jitter_us = 500}}, 2);
  for (std::uint16_t type = 1; type <= 50; ++type) {
    EXPECT_TRUE(nodes.transports[0]->send(1, type, {}).has_value());
  }
  std::vector<std::pair<std::int64_t, std::uint16_t>> found;
  nodes.run([&] {
    for (std::size_t i = found.size(); i < nodes.seen[1].size(); ++i) {
      found.emplace_back(nodes.world->now_us(), nodes.seen[1][i].type);
    }
    return found.size() == 50;
  });
  return found;
}

TEST(SimWorld, ASeedIsAWorld) {
  EXPECT_EQ(arrivals(3), arrivals(3));
  EXPECT_NE(arrivals(3), arrivals(4));
}

TEST(SimWorld, MessagesOvertakeEachOther) {
  const auto order = arrivals(1);
  ASSERT_EQ(order.size(), 50U);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end(),
                              [](const auto& a, const auto& b) { return a.second < b.second; }));
}

TEST(SimWorld, ActsRunAtTheirTimeAndInTheirOrder) {
  const auto world = make_world(WorldOptions{});
  const std::int64_t start_us = world->now_us();
  std::vector<int> ran;
  world->at(start_us + 20, [&] { ran.push_back(2); });
  world->at(start_us + 20, [&] { ran.push_back(3); });
  world->at(start_us + 10, [&] { ran.push_back(1); });
  EXPECT_TRUE(world->advance());
  EXPECT_EQ(ran, (std::vector<int>{1}));
  EXPECT_TRUE(world->advance());
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(world->now_us(), start_us + 20);
  world->at(start_us, [&] { ran.push_back(4); });  // has passed
  EXPECT_TRUE(world->advance());
  EXPECT_EQ(ran.back(), 4);
  EXPECT_EQ(world->now_us(), start_us + 20);
  EXPECT_FALSE(world->advance());
}

TEST(SimWorld, TheObserverSeesWhatIsPosted) {
  SimNodes nodes(WorldOptions{}, 2);
  std::vector<Posted::Kind> kinds;
  nodes.world->observe([&](const Posted& posted) {
    EXPECT_EQ(posted.from, 0U);
    EXPECT_EQ(posted.to, 1U);
    kinds.push_back(posted.kind);
  });
  const auto [region, remote] = nodes.grant(1, 0, 10);
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, numbered(0), 1));
  ASSERT_TRUE(nodes.transports[0]->flush(1, 2));
  ASSERT_TRUE(nodes.transports[0]->send(1, 3, {}));
  EXPECT_EQ(kinds,
            (std::vector{Posted::Kind::kWrite, Posted::Kind::kFlush, Posted::Kind::kMessage}));
}

TEST(SimWorld, NothingCrossesAPartitionUntilItHeals) {
  SimNodes nodes(WorldOptions{}, 3);
  const auto bytes = numbered(300'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  nodes.world->set_partition(1, 0, true);
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  ASSERT_TRUE(nodes.transports[0]->flush(1, 2));
  ASSERT_TRUE(nodes.transports[0]->send(1, 3, {}));
  ASSERT_TRUE(nodes.transports[1]->send(0, 4, {}));
  ASSERT_TRUE(nodes.transports[0]->send(2, 5, {}));
  nodes.run_out();
  EXPECT_TRUE(nodes.seen[0].empty());
  EXPECT_TRUE(nodes.seen[1].empty());
  EXPECT_EQ(nodes.seen[2].size(), 1U);
  EXPECT_EQ(nodes.world->landed_bytes(0, 1), 0U);

  nodes.world->set_partition(0, 1, false);
  ASSERT_TRUE(nodes.run([&] { return nodes.find(0, CompletionKind::kFlushDone) != nullptr; }));
  EXPECT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0);
  nodes.run_out();
  EXPECT_EQ(nodes.count(0, CompletionKind::kMessage), 1U);
  EXPECT_EQ(nodes.count(1, CompletionKind::kMessage), 1U);
}

// A flush that is under way when the nodes part comes back with all its writes landed.
TEST(SimWorld, PartitionsAtAnyMomentKeepTheOrderOfWriteAndFlush) {
  const auto bytes = numbered(300'000);
  for (int part_us = 0; part_us < 400; part_us += 7) {
    SimNodes nodes(WorldOptions{.link = {.delay_us = 40, .jitter_us = 80}}, 2);
    const auto [region, remote] = nodes.grant(1, 0, bytes.size());
    const std::int64_t start_us = nodes.world->now_us();
    nodes.world->at(start_us + part_us, [&] { nodes.world->set_partition(0, 1, true); });
    nodes.world->at(start_us + part_us + 33, [&] { nodes.world->set_partition(0, 1, false); });
    ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
    ASSERT_TRUE(nodes.transports[0]->flush(1, 2));
    ASSERT_TRUE(nodes.run([&] { return nodes.find(0, CompletionKind::kFlushDone) != nullptr; }));
    EXPECT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0) << "parted at " << part_us;
  }
}

TEST(SimWorld, AFrozenNodeSeesNothingButItsWritesLand) {
  SimNodes nodes(WorldOptions{}, 2);
  const auto bytes = numbered(300'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  nodes.world->set_frozen(0, true);
  ASSERT_TRUE(nodes.transports[1]->send(0, 7, {}));
  nodes.run_out();
  EXPECT_TRUE(nodes.seen[0].empty());
  EXPECT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0);
  nodes.world->set_frozen(0, false);
  nodes.run_out();
  EXPECT_EQ(nodes.count(0, CompletionKind::kWriteDone), 1U);
  EXPECT_EQ(nodes.count(0, CompletionKind::kMessage), 1U);
}

TEST(SimWorld, AKilledNodesWritesLandInPartAndThenNoMore) {
  const auto bytes = numbered(3'000'000);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimNodes nodes(WorldOptions{.seed = seed, .link = {.delay_us = 300}}, 2);
    const auto [region, remote] = nodes.grant(1, 0, bytes.size());
    ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
    const std::int64_t start_us = nodes.world->now_us();
    nodes.world->at(start_us + 1000, [&] { nodes.world->kill(0); });
    ASSERT_TRUE(nodes.run([&] { return nodes.find(1, CompletionKind::kPeerLost) != nullptr; }));
    EXPECT_EQ(nodes.find(1, CompletionKind::kPeerLost)->fate, PeerFate::kGone);
    EXPECT_LT(nodes.world->now_us() - start_us, 60'000);
    const std::uint64_t landed = nodes.world->landed_bytes(0, 1);
    EXPECT_GT(landed, 0U);
    EXPECT_LT(landed, 1'100'000U);
    nodes.run_out();
    EXPECT_EQ(nodes.world->landed_bytes(0, 1), landed);
    EXPECT_TRUE(nodes.seen[0].empty());
    EXPECT_EQ(nodes.transports[0]->send(1, 1, {}).error().code, ErrorCode::kUnavailable);
  }
}

TEST(SimWorld, ADeadTargetTakesNothingAndItsWritersOperationsFail) {
  SimNodes nodes(WorldOptions{}, 2);
  const auto bytes = numbered(3'000'000);
  const auto [region, remote] = nodes.grant(1, 0, bytes.size());
  ASSERT_TRUE(nodes.transports[0]->write(remote, 0, bytes, 1));
  ASSERT_TRUE(nodes.transports[0]->flush(1, 2));
  nodes.world->at(nodes.world->now_us() + 1000, [&] { nodes.world->kill(1); });
  nodes.run_out();
  EXPECT_LT(nodes.world->landed_bytes(0, 1), 1'100'000U);
  ASSERT_NE(nodes.find(0, CompletionKind::kFlushDone), nullptr);
  EXPECT_EQ(nodes.find(0, CompletionKind::kFlushDone)->status.error().code,
            ErrorCode::kUnavailable);
  EXPECT_EQ(nodes.count(0, CompletionKind::kPeerLost), 1U);
}

TEST(SimWorld, WhatAReplacedProcessStillSendsIsDropped) {
  SimNodes nodes(WorldOptions{.link = {.delay_us = 1000}}, 2);
  const auto newer = *open_sim_on(nodes.world, TransportOptions{.self = 0});
  ASSERT_TRUE(nodes.transports[0]->send(1, 1, {}));
  ASSERT_TRUE(nodes.transports[1]->connect(0, newer->address()));
  ASSERT_TRUE(newer->connect(1, nodes.transports[1]->address()));
  ASSERT_TRUE(newer->send(1, 2, {}));
  nodes.run_out();
  ASSERT_EQ(nodes.count(1, CompletionKind::kMessage), 1U);
  EXPECT_EQ(nodes.find(1, CompletionKind::kMessage)->type, 2U);
  // Nor is the end of the old one news.
  nodes.transports[0].reset();
  nodes.run_out();
  EXPECT_EQ(nodes.count(1, CompletionKind::kPeerLost), 0U);
}

TEST(SimWorld, WhatANewProcessSaysBeforeItIsKnownIsKeptForIt) {
  SimNodes nodes(WorldOptions{}, 2);
  const auto newer = *open_sim_on(nodes.world, TransportOptions{.self = 0});
  ASSERT_TRUE(newer->connect(1, nodes.transports[1]->address()));
  ASSERT_TRUE(newer->send(1, 2, {}));
  nodes.run_out();
  EXPECT_EQ(nodes.count(1, CompletionKind::kMessage), 0U);
  ASSERT_TRUE(nodes.transports[1]->connect(0, newer->address()));
  nodes.run_out();
  ASSERT_EQ(nodes.count(1, CompletionKind::kMessage), 1U);
  EXPECT_EQ(nodes.find(1, CompletionKind::kMessage)->type, 2U);
}

TEST(SimWorld, AnEndedNodesLastMessageStillArrives) {
  SimNodes nodes(WorldOptions{}, 2);
  ASSERT_TRUE(nodes.transports[0]->send(1, 4, {}));
  nodes.transports[0].reset();
  nodes.run_out();
  EXPECT_EQ(nodes.count(1, CompletionKind::kMessage), 1U);
  EXPECT_EQ(nodes.count(1, CompletionKind::kPeerLost), 1U);
}

}  // namespace
}  // namespace sluice::comm::sim
