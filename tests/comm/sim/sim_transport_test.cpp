// SPDX-License-Identifier: Apache-2.0
// What every transport promises is asked of this one by tests/contract; here, what is its own.
#include "comm/sim/sim_transport.hpp"

#include "tests/comm/sim/sim_nodes.hpp"

namespace sluice::comm::sim {
namespace {

TEST(SimTransport, AWaitEndsAtItsVirtualTime) {
  SimNodes nodes(WorldOptions{}, 2);
  const std::int64_t start_us = nodes.world->now_us();
  EXPECT_EQ(nodes.transports[0]->now_us(), start_us);
  nodes.transports[0]->wait(std::chrono::milliseconds(30));
  nodes.transports[1]->wait(std::chrono::milliseconds(70));
  ASSERT_TRUE(nodes.world->advance());
  EXPECT_EQ(nodes.world->now_us() - start_us, 30'000);
  // The first does not wait any more: only the second is left, then nobody.
  ASSERT_TRUE(nodes.world->advance());
  EXPECT_EQ(nodes.world->now_us() - start_us, 70'000);
  EXPECT_FALSE(nodes.world->advance());
}

TEST(SimTransport, AWakeEndsAWaitAtOnceEvenFromBefore) {
  SimNodes nodes(WorldOptions{}, 1);
  const std::int64_t start_us = nodes.world->now_us();
  nodes.transports[0]->wait(std::chrono::hours(1));
  nodes.transports[0]->wake();
  EXPECT_TRUE(nodes.world->advance());
  EXPECT_EQ(nodes.world->now_us(), start_us);
  nodes.transports[0]->wake();
  nodes.transports[0]->wait(std::chrono::hours(1));
  EXPECT_TRUE(nodes.world->advance());
  EXPECT_EQ(nodes.world->now_us(), start_us);
  // Neither wake is left over.
  nodes.transports[0]->wait(std::chrono::milliseconds(5));
  EXPECT_TRUE(nodes.world->advance());
  EXPECT_EQ(nodes.world->now_us(), start_us + 5'000);
}

TEST(SimTransport, TimeStandsStillWhileSomethingIsNotPolled) {
  SimNodes nodes(WorldOptions{}, 2);
  ASSERT_TRUE(nodes.transports[0]->send(1, 1, {}));
  ASSERT_TRUE(nodes.transports[0]->send(1, 2, {}));
  ASSERT_TRUE(nodes.world->advance());
  const std::int64_t arrived_us = nodes.world->now_us();
  nodes.transports[0]->wait(std::chrono::milliseconds(1));
  EXPECT_TRUE(nodes.world->advance());
  EXPECT_EQ(nodes.world->now_us(), arrived_us);
  nodes.poll_all();
  EXPECT_TRUE(nodes.world->advance());
  EXPECT_GT(nodes.world->now_us(), arrived_us);
}

TEST(SimTransport, WorldsAreApartFromWhatIsNoWorld) {
  EXPECT_EQ(open_sim_on(nullptr, TransportOptions{}).error().code, ErrorCode::kInvalidArgument);
}

TEST(SimTransport, SaysWhatItIsWhenConnected) {
  SimNodes nodes(WorldOptions{}, 2);
  EXPECT_EQ(nodes.transports[0]->describe(1), "sim/virtual");
  EXPECT_EQ(nodes.transports[0]->describe(7), "not connected");
  EXPECT_EQ(nodes.transports[0]->allocate(8, MemoryKind::kCuda).error().code,
            ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::comm::sim
